import { createSession } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'
import { withSession } from 'refresh-once/fetch'

export function createFetch(url: string): typeof fetch {
  const session = createSession({
    store: browserStore({ name: 'my-app', persist: 'disk' }),
    // Those of before, as long as the store has nothing; where there are none, nobody is signed in.
    tokens: JSON.parse(localStorage.getItem('tokens') ?? 'null'),
    refresh: ({ tokens, signal }) => {
      const form = { grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }
      return fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams(form), signal })
    },
  })
  return withSession(session, { origins: [url] })
}
