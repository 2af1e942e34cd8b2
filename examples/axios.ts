import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

export const session = createSession({
  // The refresh token is an HttpOnly cookie; the answer holds the access token.
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

export const api = axios.create({ baseURL: 'https://app.example.com' })
attachSession(api, session)
