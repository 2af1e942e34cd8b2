import { type HubConnection, HubConnectionBuilder, type IHttpConnectionOptions } from '@microsoft/signalr'
import { type Session, tokenSource } from 'refresh-once'

const isRefused = ({ message }: Error): boolean => /\b401\b/.test(message)

/** A hub that is connected, and comes back with a fresh token. */
export async function openHub(
  session: Session,
  url: string,
  delays: number[] = [0, 2_000, 10_000, 30_000],
  options: IHttpConnectionOptions = {},
): Promise<HubConnection> {
  const { token, refused } = tokenSource(session, { minValidity: 30_000 })
  const hub = new HubConnectionBuilder()
    .withUrl(url, { ...options, accessTokenFactory: token })
    .withAutomaticReconnect({
      nextRetryDelayInMilliseconds({ previousRetryCount, retryReason }) {
        if (isRefused(retryReason)) void refused()
        return delays[previousRetryCount] ?? null
      },
    })
    .build()
  await hub.start().catch(async (error: Error) => {
    if (!isRefused(error)) throw error
    await refused()
    await hub.start()
  })
  return hub
}
