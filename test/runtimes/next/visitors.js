import { createVisitors } from './nextjs.js'

const { API: api, SECRET: secret } = process.env

function create() {
  return createVisitors({
    api,
    secret,
    refresh: ({ tokens, signal }) =>
      fetch(`${api}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
        signal,
      }),
  })
}

// Next.js bundles this file more than once, for the proxy and for pages: they share one object all the same.
globalThis.visitors ??= create()

export const { visitors } = globalThis
