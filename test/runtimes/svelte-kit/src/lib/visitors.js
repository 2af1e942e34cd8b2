import { env } from '$env/dynamic/private'
import { createVisitors } from '../../recipe.js'

/** One for the whole process. */
export const visitors = createVisitors({
  api: env.API,
  secret: env.SECRET,
  refresh: ({ tokens, signal }) =>
    fetch(`${env.API}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }),
      signal,
    }),
})
