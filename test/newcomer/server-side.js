/** For apps that keep the refresh token themselves, in no cookie of a browser. */
export const url = globalThis.process.env.API

/** A login whose answer has the refresh token, too. */
export const post = (path, body) =>
  fetch(`${url}${path === '/login' ? `/mint?${body.user}` : path}`, { method: 'POST' })

/** The option `refresh`. */
export const refresh = ({ tokens, signal }) =>
  fetch(`${url}/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
    signal,
  })
