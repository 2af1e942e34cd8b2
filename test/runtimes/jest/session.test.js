import { afterEach, beforeEach, expect, test } from '@jest/globals'
import axios from 'axios'
import { createSession, findSessionError } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'

const { API } = process.env
const page = typeof document === 'object'
const adapters = [page ? 'xhr' : 'http', ...(typeof fetch === 'function' ? ['fetch'] : [])]

let session
beforeEach(async () => {
  const { data: tokens } = await axios.get(`${API}/mint`)
  session = createSession({
    tokens,
    refresh: async ({ tokens, signal }) => {
      const body = `grant_type=refresh_token&refresh_token=${tokens.refreshToken}`
      return (await axios.post(`${API}/token`, body, { signal })).data
    },
  })
})
afterEach(() => session.close())

const expire = () => axios.get(`${API}/expire`)

test.each(adapters)(
  'axios by %s: three at once with a token that has ended, one refresh',
  async (adapter) => {
    const api = axios.create({ baseURL: API, adapter })
    attachSession(api, session)
    expect((await api.get('/api/items')).status).toBe(200)
    await expire()
    const answers = await Promise.all([1, 2, 3].map((id) => api.get(`/api/items?id=${id}`)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(session.state.generation).toBe(2)
  },
)

test.each(adapters)(
  'axios by %s: signals of the page, a time limit, and what a signed-out user gets',
  async (adapter) => {
    const api = axios.create({ baseURL: API, adapter })
    attachSession(api, session)
    await expire()
    const { signal } = new AbortController()
    expect((await api.get('/api/items', { signal, timeout: 20_000 })).status).toBe(200)
    const leaving = new AbortController()
    await expire()
    const left = api.get('/api/items', { signal: leaving.signal })
    leaving.abort()
    await expect(left).rejects.toMatchObject({ code: 'ERR_CANCELED' })
    expect((await api.get('/api/items')).status).toBe(200)
    await session.signOut()
    const error = await api.get('/api/items').catch((reason) => reason)
    expect([error.response.status, axios.isAxiosError(error)]).toEqual([401, true])
    expect(findSessionError(new Error('another'))).toBeUndefined()
  },
)

if (typeof fetch === 'function') {
  test('a guarded fetch is answered, with a signal that the bare one takes', async () => {
    const api = withSession(session, { origins: [API] })
    await expire()
    const { signal } = new AbortController()
    const taken = await fetch(`${API}/mint`, { signal }).then(
      () => true,
      () => false,
    )
    const answers = await Promise.all([1, 2, 3].map((id) => api(`${API}/api/items?id=${id}`)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    if (taken) expect((await api(`${API}/api/items`, { signal })).status).toBe(200)
    expect(session.state.generation).toBe(2)
  })
} else {
  test('where there is no fetch, a guarded one says so to its caller, and the session goes on', async () => {
    const api = withSession(session, { origins: [API] })
    await expect(api(`${API}/api/items`)).rejects.toThrow()
    expect(session.state.status).toBe('signed-in')
  })
}
