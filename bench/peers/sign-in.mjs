import { jwt } from './front.mjs'

/** What an app has after its login, as it keeps it. `expiresAt` is what the client can see of it. */
export async function signIn(server, expiresAt) {
  const minted = await server.mint()
  return {
    access_token: jwt(minted.access_token, expiresAt),
    refresh_token: minted.refresh_token,
    token_type: 'Bearer',
    expires_at: Math.floor(expiresAt / 1000),
  }
}

/** A client of that contestant, as its adapter makes it. */
export async function openClient(contestant, server, { expiresAt, deadline = 2_000, connections }) {
  const { url } = server
  const tokens = await signIn(server, expiresAt)
  return contestant.open({ url, tokenEndpoint: `${url}/token`, tokens, expiresAt, deadline, connections })
}
