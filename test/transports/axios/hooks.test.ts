import axios, { type AxiosAdapter, type InternalAxiosRequestConfig } from 'axios'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { open, startServer } from '../../setup.ts'
import { errorOf, stage } from './stage.ts'

describe('`transmit`', () => {
  test('is called for each send, and may send a copy: what we put into it is taken out again', async () => {
    const { server, session, tokens } = await stage({ session: { recall: 'safe' } })
    const sent: InternalAxiosRequestConfig[] = []
    const api = axios.create({ baseURL: server.url, timeout: 30_000 })
    attachSession(api, session, {
      transmit(config, adapter) {
        sent.push({ ...config })
        return adapter(Object.assign({ ...config }, { attempt: sent.length }))
      },
    })
    server.expireAccessTokens()
    const { data, config } = await api.get('/api/items')
    expect(data.generation).toBe(2)
    expect(sent.map(({ headers }) => headers.Authorization)).toEqual([
      `Bearer ${tokens.access_token}`,
      expect.stringMatching(/^Bearer /),
    ])
    expect(sent.map(({ cancelToken }) => cancelToken !== undefined)).toEqual([true, true])
    expect(config).toMatchObject({ attempt: 2, timeout: 30_000 })
    expect(config).not.toHaveProperty('cancelToken')
    expect(config).not.toHaveProperty('onDownloadProgress')
  })

  test('may lead a copy elsewhere, which the answer tells', async () => {
    const { server, session, received } = await stage()
    const api = axios.create({ baseURL: server.url })
    attachSession(api, session, {
      transmit: (config, adapter) => adapter({ ...config, url: `/api${config.url}` }),
    })
    server.expireAccessTokens()
    expect((await api.get('/items')).config.url).toBe('/api/items')
    expect(received.map(({ url }) => url)).toEqual(['/api/items', '/api/items'])
  })

  test('that throws rejects the request', async () => {
    const { server, session } = await stage()
    const api = axios.create({ baseURL: server.url })
    attachSession(api, session, {
      transmit() {
        throw new Error('not today')
      },
    })
    await expect(api.get('/api/items')).rejects.toThrow('not today')
    expect(server.count.api).toBe(0)
  })
})

describe("`origins: '*'`", () => {
  test('is refused where the session holds a token', async () => {
    const session = open({ refresh: () => 'token', tokens: 'first' })
    const refusal = /^origins: '\*' is for sessions without a token/
    expect(() => attachSession(axios.create(), session, { origins: '*' })).toThrow(refusal)
    expect(() => withSession(session, { origins: '*' })).toThrow(refusal)
  })

  test('in cookie mode makes the 401 of any origin the session’s', async () => {
    const server = await startServer()
    let calls = 0
    const session = open({
      mode: 'cookie',
      refresh() {
        calls++
        return undefined
      },
    })
    const api = axios.create()
    attachSession(api, session, { origins: '*' })
    expect((await errorOf(api.get(`${server.url}/api/never`))).response?.status).toBe(401)
    expect(calls).toBe(1)
    expect((await withSession(session, { origins: '*' })(`${server.url}/api/never`)).status).toBe(401)
    expect(calls).toBe(2)
    expect(server.count.api).toBe(4)
  })
})

describe('in cookie mode', () => {
  test('Basic credentials replace nothing of ours, and are sent', async () => {
    const server = await startServer()
    const session = open({ mode: 'cookie', refresh: () => undefined })
    const api = axios.create({ baseURL: server.url })
    attachSession(api, session)
    const { data } = await api.get('/public/echo', { auth: { username: 'user', password: 'pass' } })
    expect(data.headers.authorization).toBe(`Basic ${btoa('user:pass')}`)
  })
})

describe('`shouldRefresh`', () => {
  test('is given the client’s own outcome, too', async () => {
    const outcomes: unknown[] = []
    const { api } = await stage({
      session: {
        shouldRefresh(_, outcome) {
          outcomes.push(outcome)
          return undefined
        },
      },
    })
    const answer = await api.get('/api/items')
    const error = await errorOf(api.get('/api/status/500'))
    expect(outcomes).toEqual([answer, error])
    expect(outcomes[0]).toBe(answer)
    expect(outcomes[1]).toBe(error)
  })
})

test('a refused answer whose parsed body has members called `destroy` and `cancel` is let go of', async () => {
  const { server, session } = await stage()
  const api = axios.create({ baseURL: server.url })
  let sends = 0
  attachSession(api, session, {
    async transmit(config, adapter) {
      const parse = (text: unknown) => (sends++ ? text : { destroy: true, cancel: 'no' })
      try {
        return await adapter(config)
      } catch (error) {
        if (axios.isAxiosError(error) && error.response) error.response.data = parse(error.response.data)
        throw error
      }
    },
  })
  server.expireAccessTokens()
  expect((await api.get('/api/items')).data.generation).toBe(2)
  expect(sends).toBe(1)
})

/** An adapter of the app's own, which notes under a name that it was called. */
function noting(name: string, sent: string[]): AxiosAdapter {
  return async (config) => {
    sent.push(name)
    return { status: 200, statusText: '', data: '', headers: {}, config }
  }
}

test('requests with adapters of their own are sent each by its own', async () => {
  const sent: string[] = []
  const { api } = await stage()
  const [one, other] = [noting('one', sent), noting('other', sent)]
  for (const adapter of [one, one, other, one]) {
    const { config } = await api.get('/api/items', { adapter })
    expect(config.adapter).toBe(adapter)
  }
  expect(sent).toEqual(['one', 'one', 'other', 'one'])
})

test('an interceptor that takes the defaults out of the config leaves them to axios', async () => {
  const sent: string[] = []
  const { api } = await stage({ expired: true, client: { adapter: noting('default', sent) } })
  api.interceptors.request.use((config) => {
    for (const name of ['adapter', 'timeout'] as const) delete config[name]
    return config
  })
  expect((await api.get('/api/items')).status).toBe(200)
  expect(sent).toEqual(['default'])
})

test('a request is on its way when the call returns, as without us', async () => {
  const sent: string[] = []
  const { api, bare } = await stage({ client: { adapter: noting('sent', sent) } })
  for (const client of [bare, api]) {
    const request = client.get('/api/items')
    expect(sent.splice(0)).toEqual(['sent'])
    await request
  }
})

test('the headers in the config of an answer are those that interceptors had, as without us', async () => {
  const { api, bare } = await stage({ client: { adapter: noting('sent', []) } })
  for (const client of [bare, api]) {
    const seen: unknown[] = []
    client.interceptors.request.use((config) => {
      seen.push(config.headers)
      return config
    })
    const { config } = await client.get('/api/items')
    expect(config.headers).toBe(seen[0])
  }
})

test('what is left alone gets nothing of ours, also where requests are recalled', async () => {
  const { server, session } = await stage({ session: { recall: 'safe' } })
  const sent: string[][] = []
  const api = axios.create({ baseURL: server.url })
  attachSession(api, session, {
    transmit(config, adapter) {
      sent.push(['cancelToken', 'onDownloadProgress', 'beforeRedirect'].filter((name) => name in config))
      return adapter(config)
    },
  })
  await api.get('/api/items')
  await errorOf(api.get('/api/items', { session: false }))
  expect(sent).toEqual([['cancelToken', 'onDownloadProgress', 'beforeRedirect'], []])
})
