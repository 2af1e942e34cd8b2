import { createVisitors } from '../../recipe.js'

const { API, SECRET } = process.env

/** One for the whole process. */
export const visitors = createVisitors({
  api: API,
  secret: SECRET,
  refresh: ({ tokens, signal }) =>
    fetch(`${API}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }),
      signal,
    }),
})
