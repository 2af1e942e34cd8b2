import axios, { type AxiosInstance } from 'axios'
import { createSession, type Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

export const session: Session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
  skip: (url) => url.endsWith('/login'),
})

export const api: AxiosInstance = axios.create({ baseURL: 'https://app.example.com' })
attachSession(api, session)

export async function login(user: string, password: string): Promise<void> {
  const { data } = await api.post('/login', { user, password })
  await session.signIn(data)
}
