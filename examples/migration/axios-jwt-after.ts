import axios from 'axios'
import { createSession, type KeyValueStorage, memoryStore } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import type { App } from './axios-jwt-before.ts'

export function createApp(url: string, storage: KeyValueStorage): App {
  const session = createSession({
    store: memoryStore({ storage, key: 'my-app' }),
    // What axios-jwt has left, as long as the store has nothing; where there is nothing, nobody is signed in.
    tokens: async () => JSON.parse(`${(await storage.getItem('auth-tokens-production')) ?? null}`),
    skip: (path) => path.endsWith('/auth/login'),
    refresh: ({ tokens, signal }) =>
      fetch(`${url}/auth/refresh_token`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: tokens?.refreshToken }),
        signal,
      }),
  })
  const api = axios.create({ baseURL: url })
  attachSession(api, session)
  return {
    api,
    async login(user) {
      const { data } = await api.post('/auth/login', { user })
      await session.signIn(data)
    },
    logout: () => session.signOut(),
  }
}
