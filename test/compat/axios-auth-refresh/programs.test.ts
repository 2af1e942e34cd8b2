import axios, { type AxiosError, type AxiosRequestConfig, type InternalAxiosRequestConfig } from 'axios'
import { createAuthRefresh as theirs } from 'axios-auth-refresh'
import createByDefault, {
  type AxiosAuthRefreshOptions,
  createAuthRefreshInterceptor,
  createAuthRefresh as ours,
} from 'refresh-once/axios-auth-refresh'
import { describe, expect, test } from 'vitest'
import { times } from '../../setup.ts'
import { appOf } from './stage.ts'

type Create = typeof ours

const messageOf = (error: unknown): string => `rejected: ${(error as Error).message}`
const generationOf = (request: Promise<{ data: { generation: number } }>): Promise<number | string> =>
  request.then(({ data }) => data.generation, messageOf)

interface Program {
  title: string
  run(create: Create): Promise<unknown>
  /** Not given where it depends on which answer comes first. */
  theirs?: unknown
  ours: unknown
}

/** Each is a program for the documented API of axios-auth-refresh 5; nothing is changed but the import. */
const programs: Program[] = [
  {
    title: 'ten requests with an expired token, and an interceptor that sets it',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh)
      server.expireAccessTokens()
      const answers = await Promise.all(times(10, () => generationOf(api.get('/api/items'))))
      return [new Set(answers), refreshes(), server.count.reuses]
    },
    ours: [new Set([2]), 1, 0],
  },
  {
    title: 'five requests, and nobody but `refreshAuthLogic` sets the token',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf({ handler: false })
      create(api, refresh)
      server.expireAccessTokens()
      const answers = await Promise.all(times(5, () => generationOf(api.get('/api/items'))))
      return [answers, await generationOf(api.get('/api/items')), refreshes()]
    },
    ours: [[2, 2, 2, 2, 2], 2, 1],
  },
  {
    title: 'a request that comes during the refresh waits for it',
    async run(create) {
      const { server, api, refresh } = await appOf()
      create(api, refresh)
      server.expireAccessTokens()
      const answer = server.hold('/token')
      const first = generationOf(api.get('/api/items'))
      await answer.untilArrived()
      const second = generationOf(api.get('/api/items'))
      answer.release()
      return [await first, await second, server.requests.length]
    },
    theirs: [2, 2, 3],
    ours: [2, 2, 3],
  },
  {
    title: 'a 401 that comes after the refresh',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh)
      server.expireAccessTokens()
      const gate = server.hold('/api/echo')
      const late = generationOf(api.post('/api/echo', {}))
      await gate.untilArrived()
      await api.get('/api/items')
      gate.release()
      await late
      return refreshes()
    },
    theirs: 2,
    ours: 1,
  },
  {
    title: 'one that is skipped',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh)
      server.expireAccessTokens()
      const skipped = { skipAuthRefresh: true } as AxiosRequestConfig
      return [await generationOf(api.get('/api/items', skipped)), refreshes()]
    },
    theirs: ['rejected: Request failed with status code 401', 0],
    ours: ['rejected: Request failed with status code 401', 0],
  },
  {
    title: 'status codes of its own',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh, { statusCodes: [401, 418] })
      server.fault('custom', { on: '/api/items', respond: { status: 418, body: '{}' } as never })
      return [await generationOf(api.get('/api/items')), refreshes()]
    },
    theirs: [2, 1],
    ours: [2, 1],
  },
  {
    title: 'a business code',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh, {
        shouldRefresh: (error) => Object(error.response?.data).business_error_code === 100_385,
      })
      const respond = {
        status: 400,
        headers: { 'content-type': 'application/json' },
        body: '{"business_error_code":100385}',
      }
      server.fault('custom', { on: '/api/items', respond: respond as never })
      return [await generationOf(api.get('/api/items')), refreshes()]
    },
    theirs: [2, 1],
    ours: [2, 1],
  },
  {
    title: 'a refresh that fails, and the next request',
    async run(create) {
      const { server, api, refreshes, refresh } = await appOf()
      let failures = 1
      create(api, async (failed) => {
        if (failures-- > 0) throw new Error('please log in')
        await refresh(failed)
      })
      server.expireAccessTokens()
      const lost = await generationOf(api.get('/api/items'))
      return [lost, await generationOf(api.get('/api/items')), refreshes()]
    },
    theirs: ['rejected: please log in', 2, 1],
    ours: ['rejected: please log in', 2, 1],
  },
  {
    title: 'a refresh that fails, and those that have waited for it',
    async run(create) {
      const { server, api, storage } = await appOf()
      create(api, async () => {
        await axios.post(server.tokenEndpoint, new URLSearchParams({ grant_type: 'refresh_token' }))
      })
      void storage
      server.expireAccessTokens()
      const answer = server.hold('/token')
      const first = api.get('/api/items').catch(messageOf)
      await answer.untilArrived()
      const second = api.get('/api/items').catch(messageOf)
      answer.release()
      return [await first, await second]
    },
    theirs: ['rejected: Request failed with status code 400', 'rejected: Request call failed'],
    ours: ['rejected: Request failed with status code 400', 'rejected: Request failed with status code 400'],
  },
  {
    title: 'a new token that is refused as well',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh)
      return [await generationOf(api.get('/api/never')), refreshes(), server.requests.length]
    },
    theirs: ['rejected: Request failed with status code 401', 1, 2],
    ours: ['rejected: Request failed with status code 401', 1, 2],
  },
  {
    title: 'an instance for what is sent again',
    async run(create) {
      const { server, api, refresh, storage } = await appOf()
      const again: string[] = []
      const retryInstance = axios.create()
      retryInstance.interceptors.request.use((config) => {
        again.push(`${config.method} ${config.url}`)
        config.headers.Authorization = `Bearer ${storage.accessToken}`
        return config
      })
      create(api, refresh, { retryInstance })
      server.expireAccessTokens()
      return [await generationOf(api.get('/api/items')), again]
    },
    theirs: [2, ['get /api/items']],
    ours: [2, ['get /api/items']],
  },
  {
    title: 'onRetry changes what is sent again',
    async run(create) {
      const { server, api, refresh } = await appOf()
      const seen: string[] = []
      create(api, refresh, {
        onRetry(config) {
          seen.push(`${config.url}`)
          return { ...config, url: '/api/items?id=7' } as InternalAxiosRequestConfig
        },
      })
      server.expireAccessTokens()
      const { data } = await api.get('/api/items?id=6')
      return [data.id, seen]
    },
    theirs: ['7', ['/api/items?id=6']],
    ours: ['7', ['/api/items?id=6']],
  },
  {
    title: 'a body, a header and a parameter of a POST that is sent again',
    async run(create) {
      const { server, api, refresh } = await appOf()
      create(api, refresh)
      server.expireAccessTokens()
      const { data } = await api.post(
        '/api/echo',
        { a: [1] },
        { params: { q: 'ö' }, headers: { 'x-own': 'yes' } },
      )
      return [atob(data.bodyBase64), data.url, data.headers['x-own'], data.headers['content-type']]
    },
    theirs: ['{"a":[1]}', '/api/echo?q=%C3%B6', 'yes', 'application/json'],
    ours: ['{"a":[1]}', '/api/echo?q=%C3%B6', 'yes', 'application/json'],
  },
  {
    title: 'an interceptor that puts something in front of the path',
    async run(create) {
      const { server, api, refresh } = await appOf()
      create(api, refresh)
      api.interceptors.request.use((config) => Object.assign(config, { url: `/api${config.url}` }))
      server.expireAccessTokens()
      return generationOf(api.get('/items'))
    },
    theirs: 'rejected: Request failed with status code 404',
    ours: 2,
  },
  {
    title: 'an interceptor for responses that was there before, and one that came after',
    async run(create) {
      const { server, api, refresh } = await appOf()
      const outer: string[] = []
      api.interceptors.response.use((response) => {
        outer.push('before')
        return response
      })
      create(api, refresh)
      api.interceptors.response.use((response) => {
        outer.push('after')
        return response
      })
      server.expireAccessTokens()
      return [await generationOf(api.get('/api/items')), outer]
    },
    theirs: [2, ['before', 'after', 'after']],
    ours: [2, ['before', 'after']],
  },
  {
    title: 'it is ejected',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      api.interceptors.response.eject(create(api, refresh))
      server.expireAccessTokens()
      return [await generationOf(api.get('/api/items')), refreshes()]
    },
    theirs: ['rejected: Request failed with status code 401', 0],
    ours: ['rejected: Request failed with status code 401', 0],
  },
  {
    title: 'it is ejected, and put in again',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      api.interceptors.response.eject(create(api, async () => expect.unreachable()))
      create(api, refresh)
      server.expireAccessTokens()
      return [await generationOf(api.get('/api/items')), refreshes()]
    },
    theirs: [2, 1],
    ours: [2, 1],
  },
  {
    title: 'two instances with the same function',
    async run(create) {
      const { server, api, refresh, refreshes, storage } = await appOf()
      const other = axios.create({ baseURL: server.url })
      other.interceptors.request.use((config) => {
        config.headers.Authorization = `Bearer ${storage.accessToken}`
        return config
      })
      for (const instance of [api, other]) create(instance, refresh)
      server.expireAccessTokens()
      const both = [api, other].map((instance) => generationOf(instance.get('/api/items')))
      return [await Promise.all(both), refreshes(), server.count.reuses]
    },
    // The refresh token is sent twice at once: the server ends the session.
    theirs: [expect.arrayContaining([expect.stringContaining('rejected')]), 2, 1],
    ours: [[2, 2], 1, 0],
  },
  {
    title: 'an error of the network, where these are intercepted',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf()
      create(api, refresh, { interceptNetworkError: true })
      let unread = 1
      const { adapter } = api.defaults
      api.defaults.adapter = (config) => {
        if (unread-- > 0)
          return Promise.reject(new axios.AxiosError('Network Error', 'ERR_NETWORK', config, { status: 0 }))
        return axios.getAdapter(adapter)(config)
      }
      void server
      return [await generationOf(api.get('/api/items')), refreshes()]
    },
    theirs: [2, 1],
    ours: [2, 1],
  },
  {
    title: 'an app that clears its interceptors at each logout, and makes them anew',
    async run(create) {
      const { server, api, refresh, refreshes } = await appOf({ handler: false })
      const seen: unknown[] = []
      for (let login = 1; login < 3; login++) {
        api.interceptors.request.clear()
        api.interceptors.response.clear()
        create(api, refresh)
        server.expireAccessTokens()
        seen.push(await generationOf(api.get('/api/items')))
      }
      return [seen, refreshes()]
    },
    theirs: [[2, 3], 2],
    ours: [[2, 3], 2],
  },
  {
    title: 'a refresh that puts the token into the query of the failed request',
    async run(create) {
      const { server, api, storage, refresh } = await appOf({ handler: false })
      create(api, async (failed) => {
        await refresh(failed as never)
        const { config } = failed
        if (config) config.params = { ...config.params, token: storage.accessToken }
      })
      server.expireAccessTokens()
      const { data } = await api.get('/api/echo', { params: { page: 1 } })
      return data.url === `/api/echo?page=1&token=${storage.accessToken}`
    },
    theirs: true,
    ours: true,
  },
  ...[undefined, null, -1, Number.NaN, '0', '1'].map(
    (maxRetries): Program => ({
      title: `${maxRetries === null ? 'null' : `${typeof maxRetries} ${maxRetries}`} in the place of a number of retries`,
      async run(create) {
        const { server, api, refresh, refreshes } = await appOf()
        create(api, refresh, { maxRetries } as unknown as AxiosAuthRefreshOptions)
        server.expireAccessTokens()
        const answer = await generationOf(api.get('/api/items'))
        return answer === 2 ? refreshes() : answer
      },
      ours:
        [-1, '0'].includes(maxRetries as never) || Number.isNaN(maxRetries)
          ? expect.stringContaining('401')
          : 1,
    }),
  ),
  {
    title: 'null in the place of options',
    async run(create) {
      const { server, api, refresh } = await appOf()
      create(api, refresh, null as never)
      server.expireAccessTokens()
      return generationOf(api.get('/api/items'))
    },
    theirs: 2,
    ours: 2,
  },
]

describe.each([
  ['axios-auth-refresh', theirs as Create, 'theirs'],
  ['refresh-once/axios-auth-refresh', ours, 'ours'],
] as const)('a program for %s', (_, create, whose) => {
  test.each(programs.filter((program) => whose in program))('$title', async (program) => {
    expect(await program.run(create)).toEqual(program[whose])
  })
})

test('the names of other versions are the same function', () => {
  expect([createByDefault, createAuthRefreshInterceptor]).toEqual([ours, ours])
})

test('a call without a function says what is missing', () => {
  expect(() => ours(axios.create(), undefined as never)).toThrow(/must be a function/)
})

test('options that have lost their meaning are accepted', async () => {
  const { server, api, refresh } = await appOf()
  const options: AxiosAuthRefreshOptions = { deduplicateRefresh: false, maxRetries: 3 }
  ours(api, refresh, options)
  server.expireAccessTokens()
  expect(await generationOf(api.get('/api/items'))).toBe(2)
})

test('whatever a program writes down of the failed request compiles', () => {
  const api = axios.create()
  ours(api, async (failed) => failed.config.headers.set('Authorization', failed.response.data.next))
  ours(api, async (failed: { config: AxiosRequestConfig }) => failed.config.url)
  ours(api, async (failed: { config: InternalAxiosRequestConfig & { tried?: boolean } }) => {
    failed.config.tried = true
  })
  ours(api, async (failed: AxiosError<{ next: string }>) => failed.response?.data.next)
})
