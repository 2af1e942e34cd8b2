import axios, { type AxiosInstance } from 'axios'
import { createSession, type Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

export const session: Session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
  async shouldRefresh(response) {
    // The API says 200, and in the body that the token has expired.
    const body = await response.json()
    if (Object(body).code === 40101) return true
    // The default rule: a 401 whose challenge a new token would cure.
    return undefined
  },
})

export const api: AxiosInstance = axios.create({ baseURL: 'https://app.example.com' })
attachSession(api, session)
