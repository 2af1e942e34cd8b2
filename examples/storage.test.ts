import axios from 'axios'
import type { KeyValueStorage, Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { afterAll, describe, expect, test } from 'vitest'
import { openPage } from './page.ts'
import { openSession, secureStorage } from './storage.ts'

const page = await openPage()
const { server } = page
const sessions: Session[] = []

afterAll(async () => {
  for (const session of sessions) session.close()
  await page.close()
})

/** What a page, or an app, does when it starts. */
function start(storage: KeyValueStorage) {
  const session = openSession(storage)
  sessions.push(session)
  const api = axios.create({ baseURL: 'https://app.example.com' })
  attachSession(api, session)
  return { api, session }
}

/** As localStorage has it. */
function synchronous(): KeyValueStorage {
  const kept = new Map<string, string>()
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  }
}

/** As expo-secure-store has it; AsyncStorage differs in the names alone. */
function secure() {
  const kept = new Map<string, string>()
  return {
    getItemAsync: async (key: string) => kept.get(key) ?? null,
    setItemAsync: async (key: string, value: string) => void kept.set(key, value),
    deleteItemAsync: async (key: string) => void kept.delete(key),
  }
}

const kinds: [name: string, storage: KeyValueStorage][] = [
  ['localStorage', synchronous()],
  ['expo-secure-store', secureStorage(secure())],
]

describe.each(kinds)('tokens in %s', (_, storage) => {
  test('with nothing in it nobody is signed in, and nobody is asked', async () => {
    const before = server.count.refreshRequests
    const { api, session } = start(storage)
    const { status } = await api.get('/api/items', { validateStatus: () => true })
    expect([status, session.state.status]).toEqual([401, 'signed-out'])
    expect(server.count.refreshRequests).toBe(before)
  })

  test('a sign-in, and a refresh, outlast a restart', async () => {
    const before = server.count.refreshes
    const first = start(storage)
    await first.session.signIn(server.mint('alice'))
    server.expireAccessTokens()
    expect((await first.api.get('/api/items')).data.generation).toBe(2)
    first.session.close()

    const second = start(storage)
    expect((await second.api.get('/api/items')).data).toMatchObject({ user: 'alice', generation: 2 })
    server.expireAccessTokens()
    expect((await second.api.get('/api/items')).data.generation).toBe(3)
    expect(server.count.refreshes - before).toBe(2)
    expect(server.count.reuses).toBe(0)
  })

  test('a sign-out does, too, and leaves no token behind', async () => {
    const { session } = start(storage)
    await session.signIn(server.mint('alice'))
    const token = await session.getAccessToken()
    expect(await storage.getItem('my-app')).toContain(token)
    await session.signOut()
    expect(await storage.getItem('my-app')).not.toContain(token)
  })
})

test('a duplicated tab has a copy of sessionStorage: both send the same refresh token, which a server takes for theft', async () => {
  const own = synchronous()
  const first = start(own)
  await first.session.signIn(server.mint('carol'))
  const copy = synchronous()
  await copy.setItem('my-app', String(await own.getItem('my-app')))
  const second = start(copy)
  server.expireAccessTokens()
  const reuses = server.count.reuses
  expect((await first.api.get('/api/items')).status).toBe(200)
  expect((await second.api.get('/api/items').catch((error) => error)).response.status).toBe(401)
  expect(server.count.reuses - reuses).toBe(1)
})
