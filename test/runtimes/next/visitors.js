import { createVisitors } from './nextjs.js'

const api = process.env.API

export const visitors = createVisitors({
  api,
  refresh: ({ tokens, signal }) =>
    fetch(`${api}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
      signal,
    }),
})
