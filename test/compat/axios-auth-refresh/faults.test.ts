import axios, { AxiosError, type InternalAxiosRequestConfig } from 'axios'
import { findSessionError } from 'refresh-once'
import { createAuthRefresh } from 'refresh-once/axios-auth-refresh'
import { expect, test } from 'vitest'
import { times } from '../../setup.ts'
import { appOf } from './stage.ts'

test('a POST that may have been executed is not sent again for an error of the network', async () => {
  const { server, api, refresh, refreshes } = await appOf()
  createAuthRefresh(api, refresh, { interceptNetworkError: true })
  const { adapter } = api.defaults
  api.defaults.adapter = async (config) => {
    await axios.getAdapter(adapter)(config)
    throw new AxiosError('Network Error', 'ERR_NETWORK', config, { status: 0 })
  }
  const lost = await api.post('/api/effects?id=once').catch((error) => error)
  expect([lost.code, lost.response]).toEqual(['ERR_NETWORK', undefined])
  expect([server.effects('once'), refreshes()]).toEqual([1, 0])
})

test('an error of the network that a refresh did not cure comes as it was', async () => {
  const { api, refresh, refreshes } = await appOf()
  createAuthRefresh(api, refresh, { interceptNetworkError: true })
  api.defaults.adapter = (config) =>
    Promise.reject(new AxiosError('Network Error', 'ERR_NETWORK', config, { status: 0 }))
  const lost = await api.get('/api/items').catch((error) => error)
  expect([lost.code, lost.response]).toEqual(['ERR_NETWORK', undefined])
  expect(refreshes()).toBe(1)
})

test('two kinds of failures of one instance have a function each', async () => {
  const { server, api, refresh } = await appOf()
  const asked: string[] = []
  createAuthRefresh(api, (failed) => {
    asked.push('token')
    return refresh(failed)
  })
  createAuthRefresh(
    api,
    async () => {
      asked.push('one-time password')
    },
    { statusCodes: [418] },
  )
  server.fault('custom', { on: '/api/items', respond: { status: 418 } })
  expect((await api.get('/api/items')).status).toBe(200)
  server.expireAccessTokens()
  expect((await api.get('/api/items')).data.generation).toBe(2)
  expect(asked).toEqual(['one-time password', 'token'])
})

test('a retry instance may make something else of its responses', async () => {
  const { server, api, refresh, storage } = await appOf()
  const retryInstance = axios.create()
  retryInstance.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${storage.accessToken}`
    return config
  })
  retryInstance.interceptors.response.use(({ data }) => data)
  createAuthRefresh(api, refresh, { retryInstance })
  server.expireAccessTokens()
  expect(await api.get('/api/items')).toMatchObject({ generation: 2 })
})

test('the failed request can be written to, as any error of axios', async () => {
  const { server, api, refresh } = await appOf()
  createAuthRefresh(api, async (failed) => {
    failed.response = failed.response || {}
    failed.message = 'refreshed'
    await refresh(failed)
  })
  server.expireAccessTokens()
  expect((await api.get('/api/items')).data.generation).toBe(2)
})

test('the instance itself as its retry instance is the default', async () => {
  const { server, api, refresh } = await appOf()
  createAuthRefresh(api, refresh, { retryInstance: api })
  api.interceptors.response.use(({ data }) => data)
  server.expireAccessTokens()
  expect(await api.get('/api/items')).toMatchObject({ generation: 2 })
})

test('the refresh may go through the instance itself', async () => {
  const { server, api, storage } = await appOf()
  createAuthRefresh(api, async () => {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: storage.refreshToken,
    })
    const { data } = await api.post('/token', form)
    storage.accessToken = data.access_token
  })
  server.expireAccessTokens()
  const answers = await Promise.all(times(3, () => api.get('/api/items')))
  expect(answers.map(({ data }) => data.generation)).toEqual([2, 2, 2])
  expect(server.count.refreshRequests).toBe(1)
})

test('a refresh that hangs: whoever waits rejects after the deadline, and says why', async () => {
  const { server, api } = await appOf()
  createAuthRefresh(api, () => new Promise(() => {}), { deadline: 200 })
  server.expireAccessTokens()
  const [lost] = await Promise.all(times(2, () => api.get('/api/items').catch((error) => error)))
  expect(findSessionError(lost)?.code).toBe('refresh_timeout')
})

for (const when of ['before', 'after'] as const)
  test(`an interceptor that came ${when} may skip a request`, async () => {
    const { server, api, refresh, refreshes } = await appOf()
    const skip = (): void => {
      api.interceptors.request.use((config) => Object.assign(config, { skipAuthRefresh: true }))
    }
    if (when === 'before') skip()
    createAuthRefresh(api, refresh)
    if (when === 'after') skip()
    server.expireAccessTokens()
    await expect(api.get('/api/items')).rejects.toMatchObject({ response: { status: 401 } })
    expect(refreshes()).toBe(0)
  })

test('an interceptor that makes a new config loses nothing', async () => {
  const { server, api, refresh } = await appOf()
  api.interceptors.request.use((config) => ({ ...config }))
  createAuthRefresh(api, refresh)
  api.interceptors.request.use(async (config) => ({ ...config }))
  server.expireAccessTokens()
  expect((await api.get('/api/items')).data.generation).toBe(2)
})

test('an interceptor that fails the second time fails the request', async () => {
  const { server, api, refresh } = await appOf()
  let calls = 0
  api.interceptors.request.use((config) => {
    if (++calls > 1) throw new Error('no more')
    return config
  })
  createAuthRefresh(api, refresh)
  server.expireAccessTokens()
  await expect(api.get('/api/items')).rejects.toThrow('no more')
})

test('callbacks that throw change nothing', async () => {
  const said = console.error
  const errors: unknown[] = []
  console.error = (...all: unknown[]) => errors.push(all[0])
  try {
    const { server, api, refresh } = await appOf()
    const thrown = (): never => {
      throw new Error('a mistake')
    }
    createAuthRefresh(api, refresh, { onRetry: thrown })
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data.generation).toBe(2)

    const other = await appOf()
    createAuthRefresh(other.api, other.refresh, { shouldRefresh: thrown })
    other.server.expireAccessTokens()
    await expect(other.api.get('/api/items')).rejects.toMatchObject({ response: { status: 401 } })
    expect(errors).toEqual(['onRetry has thrown', 'shouldRefresh has thrown'])
  } finally {
    console.error = said
  }
})

test('a request that is aborted while it waits rejects at once, and is never sent', async () => {
  const { server, api, refresh } = await appOf()
  createAuthRefresh(api, refresh)
  server.expireAccessTokens()
  const answer = server.hold('/token')
  const first = api.get('/api/items')
  await answer.untilArrived()
  const controller = new AbortController()
  const second = api.get('/api/items?id=2', { signal: controller.signal })
  controller.abort()
  await expect(second).rejects.toMatchObject({ code: 'ERR_CANCELED' })
  answer.release()
  await first
  expect(server.requests.filter(({ path }) => path.includes('id=2'))).toEqual([])
})

test('a body that is encoded by a transform of the app is encoded once for each send', async () => {
  const { server, api, refresh } = await appOf()
  createAuthRefresh(api, refresh)
  server.expireAccessTokens()
  const { data } = await api.post('/api/echo', 'text', {
    headers: { 'content-type': 'text/plain' },
    transformRequest: (body: string) => `<${body}>`,
  })
  expect(atob(data.bodyBase64)).toBe('<text>')
})

test('an interceptor that changes the body before a replay has it encoded', async () => {
  const { server, api, refresh } = await appOf()
  createAuthRefresh(api, refresh)
  let sends = 0
  api.interceptors.request.use((config: InternalAxiosRequestConfig) =>
    Object.assign(config, { data: { sends: ++sends } }),
  )
  server.expireAccessTokens()
  const { data } = await api.post('/api/echo', {})
  expect(atob(data.bodyBase64)).toBe('{"sends":2}')
})

test('the next login is served, however the last one has ended', async () => {
  const { server, api, storage } = await appOf()
  createAuthRefresh(api, async () => {
    throw new Error('signed out')
  })
  server.expireAccessTokens()
  await expect(api.get('/api/items')).rejects.toThrow('signed out')
  storage.accessToken = server.mint('bob').access_token
  expect((await api.get('/api/items')).data.user).toBe('bob')
})
