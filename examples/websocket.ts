import { isSessionError, type Session } from 'refresh-once'

/** What this server closes a socket with whose token it does not accept. */
const UNAUTHORIZED = 4401

/** Keeps a socket open, until `signal` aborts or nobody is signed in any more; rejects with the reason. */
export async function keepSocket(
  session: Session,
  url: string,
  onMessage: (data: unknown) => void,
  signal: AbortSignal,
): Promise<never> {
  for (let refused = 0; refused < 2; await pause()) {
    try {
      const token = await session.getAccessToken({ minValidity: 30_000, signal })
      signal.throwIfAborted()
      // Browsers set no headers on a WebSocket, and URLs end up in logs: a subprotocol carries the token.
      const socket = new WebSocket(url, ['chat', `bearer.${token}`])
      socket.onmessage = ({ data }) => {
        refused = 0
        onMessage(data)
      }
      const code = await closed(socket, signal)
      if (code !== UNAUTHORIZED || ++refused === 2) continue
      // Many sockets may have had this token: only where nobody has replaced it, it is refreshed.
      if (token === (await session.getAccessToken({ signal }))) await session.refresh({ signal })
    } catch (error) {
      // This one may pass.
      if (!isSessionError(error, 'refresh_failed')) throw error
    }
  }
  throw new Error('the server refuses new tokens')
}

/** The code of the close event, which follows every error, too. */
function closed(socket: WebSocket, signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    const close = (): void => socket.close()
    signal.addEventListener('abort', close)
    socket.onerror = () => {}
    socket.onclose = ({ code }) => {
      signal.removeEventListener('abort', close)
      resolve(code)
    }
  })
}

/** Not all at once, when the server has been away. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_000 * Math.random()))
}
