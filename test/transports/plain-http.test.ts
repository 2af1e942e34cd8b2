import axios, { type AxiosAdapter } from 'axios'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { failureOf, open } from '../setup.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

interface Options {
  mode?: 'token' | 'cookie'
  insecureOrigins?: string[]
}

const session = (mode: Options['mode'] = 'token') => open({ refresh: () => 'unused', tokens: 'mine', mode })

/** The token that each client sends to `origin`. */
const CLIENTS = {
  async 'axios, base URL'(origin: string, { mode, ...options }: Options) {
    const { adapter, sent } = recorder()
    const api = axios.create({ baseURL: `${origin}/v1`, adapter })
    attachSession(api, session(mode), options)
    await api.get('/x')
    return sent()
  },
  async 'axios, base URL that is set later'(origin: string, { mode, ...options }: Options) {
    const { adapter, sent } = recorder()
    const api = axios.create({ adapter })
    attachSession(api, session(mode), options)
    api.defaults.baseURL = origin
    await api.get('/x')
    return sent()
  },
  async 'axios, origins'(origin: string, { mode, ...options }: Options) {
    const { adapter, sent } = recorder()
    const api = axios.create({ adapter })
    attachSession(api, session(mode), { origins: [origin], ...options })
    await api.get(`${origin}/x`)
    return sent()
  },
  async 'fetch, origins'(origin: string, { mode, ...options }: Options) {
    let sent: string | null = null
    const authFetch = withSession(session(mode), {
      origins: [origin],
      ...options,
      async fetch(_, init) {
        sent = new Headers(init?.headers).get('authorization')
        return new Response()
      },
    })
    await authFetch(`${origin}/x`)
    return sent
  },
}

function recorder() {
  let sent: unknown = null
  const adapter: AxiosAdapter = async (config) => {
    sent = config.headers.get('authorization') ?? null
    return { data: '', status: 200, statusText: '', headers: {}, config }
  }
  return { adapter, sent: () => sent }
}

describe.each(Object.entries(CLIENTS))('%s', (_name, send) => {
  test.each([
    'https://api.example.com',
    'http://localhost:3000',
    'http://api.localhost:3000',
    'http://a.b.localhost',
    'http://127.0.0.1:3000',
    'http://127.1.2.3',
    'http://[::1]:3000',
  ])('%s gets the token', async (origin) => {
    expect(await send(origin, {})).toBe('Bearer mine')
  })

  test.each([
    'http://backend:3000',
    'http://192.168.1.20:8080',
    'http://10.0.2.2:3000',
    'http://api.example.com',
    'http://localhost.example.com',
    'http://notlocalhost',
    'http://127.example.com',
  ])('%s gets it only where it is named as insecure', async (origin) => {
    const refused = await failureOf(send(origin, {}))
    expect(refused).toBeInstanceOf(TypeError)
    expect(refused.message).toMatch(/insecureOrigins/)
    expect(await failureOf(send(origin, { insecureOrigins: ['http://other:3000'] }))).toBeInstanceOf(
      TypeError,
    )
    expect(await send(origin, { insecureOrigins: [`${origin}/`] })).toBe('Bearer mine')
  })

  test('a session without a token has nothing to lose', async () => {
    expect(await send('http://backend:3000', { mode: 'cookie' })).toBeNull()
  })
})

test('the own origin of a page that came by http gets the token: who reads on that wire has the script, too', async () => {
  vi.stubGlobal('location', new URL('http://192.168.1.20:5173/app/'))
  expect(await CLIENTS['axios, base URL']('http://192.168.1.20:5173', {})).toBe('Bearer mine')
  expect(await failureOf(CLIENTS['axios, base URL']('http://192.168.1.20:3000', {}))).toBeInstanceOf(
    TypeError,
  )
})

test('a base URL with http is told where the session is attached, not by the first request', () => {
  const api = axios.create({ baseURL: 'http://backend:3000' })
  expect(() => attachSession(api, session())).toThrow(/insecureOrigins/)
})

test.each(['*', 'backend:3000', '', 'ftp://backend'])('%j is no insecure origin', (origin) => {
  expect(() => withSession(session(), { insecureOrigins: [origin] })).toThrow(TypeError)
})
