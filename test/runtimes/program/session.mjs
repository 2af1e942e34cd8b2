import { createSession } from 'refresh-once'

/** A session that is signed in at the server of a check. */
export function open({ url, tokens }, options = {}) {
  return createSession({
    tokens,
    refresh: (context) =>
      fetch(`${url}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: context.tokens?.refreshToken ?? '',
        }),
        signal: context.signal,
      }),
    ...options,
  })
}

/** Resolves once the server has what the check waits for. The server decides what that is. */
export async function arrived({ url }) {
  await (await fetch(`${url}/arrived`)).text()
}
