import type { Session } from 'refresh-once'

/** Opens a socket with a token that is good for at least another half minute. */
export async function openSocket(session: Session, url: string): Promise<WebSocket> {
  const token = await session.getAccessToken({ minValidity: 30_000 })
  // Browsers set no headers on a WebSocket, and URLs end up in logs: a subprotocol carries the token.
  return new WebSocket(url, ['chat', `bearer.${token}`])
}
