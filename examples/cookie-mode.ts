import axios, { type AxiosInstance } from 'axios'
import { createSession, type Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

export const session: Session = createSession({
  mode: 'cookie',
  // The answer sets the new cookies; what it says besides is not needed.
  refresh: ({ signal }) => fetch('/refresh?cookie', { method: 'POST', credentials: 'include', signal }),
})

export const api: AxiosInstance = axios.create({ baseURL: 'https://app.example.com', withCredentials: true })
attachSession(api, session)
