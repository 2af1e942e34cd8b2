import axios, { type AxiosInstance } from 'axios'
import { createSession, type Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

export const session: Session = createSession({
  // The refresh token is an HttpOnly cookie; the answer holds the access token.
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

export const api: AxiosInstance = axios.create({ baseURL: 'https://app.example.com' })
attachSession(api, session)
