import { createSession, type Session } from 'refresh-once'
import { type RedisStoresOptions, redisStores } from 'refresh-once/redis'

/** The sessions of this process: whoever opens one by the same id, here or elsewhere, shares its one refresh. */
export function sessionsIn(client: RedisStoresOptions['client']): (id: string) => Session {
  const stores = redisStores({ client, prefix: 'my-app:session:' })
  return (id) =>
    createSession({
      store: stores(id),
      // Where Redis holds nothing, nobody is signed in.
      tokens: null,
      refresh: ({ tokens, signal }) =>
        fetch('https://app.example.com/token', {
          method: 'POST',
          body: new URLSearchParams({
            grant_type: 'refresh_token',
            refresh_token: tokens?.refreshToken ?? '',
          }),
          signal,
        }),
    })
}
