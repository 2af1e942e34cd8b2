import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

export const session = createSession({
  mode: 'cookie',
  // The answer sets the new cookies; what it says besides is not needed.
  refresh: ({ signal }) => fetch('/refresh?cookie', { method: 'POST', credentials: 'include', signal }),
})

export const api = axios.create({ baseURL: 'https://app.example.com', withCredentials: true })
attachSession(api, session)
