import axios, { type AxiosRequestConfig, type AxiosResponse, type InternalAxiosRequestConfig } from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'
import former from 'axios-auth-refresh-3'
import ours, {
  type AxiosAuthRefreshOptions,
  type AxiosAuthRefreshRequestConfig,
} from 'refresh-once/axios-auth-refresh'
import { describe, expect, test } from 'vitest'
import { times } from '../../setup.ts'
import { type App, appOf } from './stage.ts'

type Create = typeof ours

/** What `refreshAuthLogic` gets, as far as programs write it down. */
interface Failed {
  config: InternalAxiosRequestConfig
  response: { config: InternalAxiosRequestConfig }
}

const outcomeOf = (request: Promise<AxiosResponse>): Promise<unknown> =>
  request.then(
    ({ data }) => data.generation,
    (error) => `rejected: ${error?.message}`,
  )

const echoOf = (request: Promise<AxiosResponse>): Promise<unknown> =>
  request.then(
    ({ data }) => [data.method, data.url, atob(data.bodyBase64), data.headers['content-type']],
    (error) => `rejected: ${error?.message}`,
  )

const REFUSED = 'rejected: Request failed with status code 401'

interface Program {
  title: string
  run(create: Create, app: App): Promise<unknown>
  v3: unknown
  v5: unknown
  ours: unknown
}

/** What the refresh changes in the failed request besides its headers. */
function changing(title: string, change: (failed: Failed) => void, v3: unknown, v5 = v3, us = v3): Program {
  return {
    title: `a refresh that ${title}`,
    async run(create, { server, api, refresh }) {
      create(api, async (failed) => {
        await refresh(failed)
        change(failed)
      })
      server.expireAccessTokens()
      return echoOf(api.post('/api/echo', { token: 'old' }, { params: { page: 1 } }))
    },
    v3,
    v5,
    ours: us,
  }
}

const BODY = '{"token":"old"}'
const JSON_TYPE = 'application/json'

const programs: Program[] = [
  changing('changes nothing else', () => {}, ['POST', '/api/echo?page=1', BODY, JSON_TYPE]),
  changing(
    'puts an object into the body',
    ({ response }) => {
      response.config.data = { token: 'new' }
    },
    ['POST', '/api/echo?page=1', '{"token":"new"}', JSON_TYPE],
  ),
  changing(
    'parses the body, for an axios that would encode it twice',
    ({ response }) => {
      response.config.data = JSON.parse(response.config.data)
    },
    ['POST', '/api/echo?page=1', BODY, JSON_TYPE],
  ),
  changing(
    'puts a text into the body',
    ({ config }) => {
      config.data = config.data.replace('old', 'new')
    },
    ['POST', '/api/echo?page=1', '{"token":"new"}', JSON_TYPE],
  ),
  changing(
    'changes the address',
    ({ response }) => {
      response.config.url = `${response.config.url}?id=7`
    },
    ['POST', '/api/echo?id=7&page=1', BODY, JSON_TYPE],
  ),
  changing(
    'takes the base away',
    ({ response: { config } }) => {
      config.url = `${config.baseURL}${config.url}?id=8`
      config.baseURL = ''
    },
    ['POST', '/api/echo?id=8&page=1', BODY, JSON_TYPE],
  ),
  changing(
    'changes the parameters where they are',
    ({ response }) => {
      response.config.params.page = 2
    },
    ['POST', '/api/echo?page=2', BODY, JSON_TYPE],
  ),
  changing(
    'changes the method',
    ({ response }) => {
      response.config.method = 'put'
    },
    ['PUT', '/api/echo?page=1', BODY, JSON_TYPE],
  ),
  changing(
    'puts another config into the response',
    ({ response }) => {
      response.config = { ...response.config, url: '/api/echo?id=9' }
    },
    ['POST', '/api/echo?id=9&page=1', BODY, JSON_TYPE],
    // Where the token comes from an interceptor, only the change is lost.
    ['POST', '/api/echo?page=1', BODY, JSON_TYPE],
  ),
  changing(
    'puts another config into the error',
    (failed) => {
      failed.config = { ...failed.config, url: '/api/echo?id=9' }
    },
    // And as that is not marked, it is refreshed for again.
    ['POST', '/api/echo?page=1', BODY, JSON_TYPE],
    ['POST', '/api/echo?id=9&page=1', BODY, JSON_TYPE],
    ['POST', '/api/echo?id=9&page=1', BODY, JSON_TYPE],
  ),
  ...[{ pauseInstanceWhileRefreshing: true }, { skipWhileRefreshing: true }].map(
    (options): Program => ({
      title: `ten at once, ${Object.keys(options)}`,
      async run(create, { server, api, refresh, refreshes }) {
        create(api, refresh, options)
        server.expireAccessTokens()
        const answers = await Promise.all(times(10, () => outcomeOf(api.get('/api/items'))))
        return [new Set(answers), refreshes()]
      },
      // Those whose 401 comes before the refresh has ended are lost.
      v3: expect.anything(),
      v5: expect.anything(),
      ours: [new Set([2]), 1],
    }),
  ),
  {
    title: 'a refresh through the instance that is refused, paused',
    async run(create, { server, api }) {
      let calls = 0
      create(
        api,
        () => {
          calls++
          return api.post('/api/never')
        },
        { pauseInstanceWhileRefreshing: true },
      )
      server.expireAccessTokens()
      return [await outcomeOf(api.get('/api/items')), calls]
    },
    v3: [REFUSED, 1],
    v5: [REFUSED, 1],
    ours: [REFUSED, 1],
  },
  {
    title: 'a refresh through another instance, which has a refresh of its own',
    async run(create, { server, api, storage }) {
      const asked: string[] = []
      const other = axios.create({ baseURL: server.url })
      create(api, () => {
        asked.push('refresh')
        return other.post('/api/never')
      })
      create(other, async () => {
        asked.push('login')
      })
      server.expireAccessTokens()
      void storage
      return [await outcomeOf(api.get('/api/items')), asked]
    },
    v3: [REFUSED, ['refresh', 'login']],
    v5: [REFUSED, ['refresh', 'login']],
    ours: [REFUSED, ['refresh', 'login']],
  },
  {
    title: 'a refresh that shows the login when it fails, and rejects with nothing',
    async run(create, { server, api }) {
      create(api, () => axios.post(`${server.url}/api/never`).catch(() => Promise.reject()))
      server.expireAccessTokens()
      return [await outcomeOf(api.get('/api/items')), await outcomeOf(api.get('/api/items'))]
    },
    v3: ['rejected: undefined', 'rejected: undefined'],
    v5: ['rejected: undefined', 'rejected: undefined'],
    ours: ['rejected: undefined', 'rejected: undefined'],
  },
  {
    title: 'a refresh that shows the login when it fails, and says nothing of it',
    async run(create, { server, api }) {
      create(api, () => axios.post(`${server.url}/api/never`).catch(() => {}))
      server.expireAccessTokens()
      return outcomeOf(api.get('/api/items'))
    },
    v3: REFUSED,
    v5: REFUSED,
    ours: REFUSED,
  },
  {
    title: 'a refresh that rejects with the failed request',
    async run(create, { server, api }) {
      const failed: unknown[] = []
      create(api, (error) => {
        failed.push(error)
        return Promise.reject(error)
      })
      server.expireAccessTokens()
      const error = await api.get('/api/items').catch((reason) => reason)
      return [error === failed[0], axios.isAxiosError(error), error.response.status, error.config.url]
    },
    v3: [true, true, 401, '/api/items'],
    v5: [true, true, 401, '/api/items'],
    ours: [true, true, 401, '/api/items'],
  },
  ...[true, false].map(
    (isTaken): Program => ({
      title: `the token in the defaults of the instance, ${isTaken ? 'taken from' : 'left in'} the failed request`,
      async run(create, { server, api, storage, refresh, refreshes }) {
        api.interceptors.request.clear()
        const { common } = api.defaults.headers
        common.Authorization = `Bearer ${storage.accessToken}`
        create(api, async ({ response }) => {
          await refresh({ response: { config: { headers: {} } as InternalAxiosRequestConfig } })
          common.Authorization = `Bearer ${storage.accessToken}`
          if (isTaken) delete response.config.headers.Authorization
        })
        server.expireAccessTokens()
        const first = await outcomeOf(api.get('/api/items'))
        server.expireAccessTokens()
        const answers = await Promise.all(times(3, () => outcomeOf(api.get('/api/items'))))
        return [first, new Set(answers), refreshes()]
      },
      // The others are sent again with the former one.
      v3: [isTaken ? 2 : REFUSED, expect.any(Set), 2],
      v5: [isTaken ? 2 : REFUSED, expect.any(Set), 2],
      ours: [2, new Set([3]), 2],
    }),
  ),
  {
    title: 'a one-time password that the refresh asks for',
    async run(create, { api }) {
      create(
        api,
        async (failed) => {
          failed.response.config.headers['X-OTP'] = '123'
        },
        { shouldRefresh: ({ response }) => response?.status === 404 },
      )
      api.interceptors.request.use((config) => {
        if (config.headers['X-OTP']) config.url = '/api/echo'
        return config
      })
      return api.get('/api/nothing').then(({ data }) => data.headers['x-otp'])
    },
    v3: '123',
    v5: '123',
    ours: '123',
  },
  {
    title: 'onRetry with headers of its own, in a plain object',
    async run(create, { server, api, refresh }) {
      create(api, refresh, {
        onRetry: (config: AxiosRequestConfig): AxiosRequestConfig => ({
          ...config,
          headers: { ...(config.headers as Record<string, string>), 'X-Again': 'yes' },
        }),
      })
      api.interceptors.request.use((config) => {
        config.headers.set?.('X-Late', 'yes')
        return config
      })
      server.expireAccessTokens()
      return api.get('/api/echo').then(({ data: { headers } }) => [headers['x-again'], headers['x-late']])
    },
    v3: ['yes', 'yes'],
    v5: ['yes', 'yes'],
    ours: ['yes', 'yes'],
  },
  {
    title: 'many that are told to come later, each waited for',
    async run(create, { server, api }) {
      let waits = 0
      create(
        api,
        async () => {
          waits++
        },
        { statusCodes: [429] },
      )
      const statuses: number[] = []
      for (let n = 0; n < 8; n++) {
        server.fault('custom', { on: '/api/items', respond: { status: 429, body: '{}' } as never })
        statuses.push((await api.get('/api/items')).status)
      }
      return [new Set(statuses), waits]
    },
    v3: [new Set([200]), 8],
    v5: [new Set([200]), 8],
    ours: [new Set([200]), 8],
  },
  {
    title: 'a refresh through the instance, after something else, which is skipped',
    async run(create, { server, api, storage }) {
      const config: AxiosAuthRefreshRequestConfig = { skipAuthRefresh: true }
      create(api, async () => {
        await null
        const form = { grant_type: 'refresh_token', refresh_token: storage.refreshToken }
        const { data } = await api.post('/token', new URLSearchParams(form), config)
        storage.accessToken = data.access_token
      })
      server.expireAccessTokens()
      const never = new Promise((resolve) => setTimeout(resolve, 3_000, 'hangs'))
      return Promise.race([outcomeOf(api.get('/api/items')), never])
    },
    v3: 'hangs',
    v5: 'hangs',
    ours: 2,
  },
]

describe.each([
  ['axios-auth-refresh 3', (Object(former).default ?? former) as Create, 'v3'],
  ['axios-auth-refresh 5', createAuthRefresh as Create, 'v5'],
  ['refresh-once/axios-auth-refresh', ours, 'ours'],
] as const)('a program of version 3, run with %s', (_, create, version) => {
  test.each(programs)('$title', async (program) => {
    expect(await program.run(create, await appOf())).toEqual(program[version])
  })
})

test('the options of all versions are accepted', () => {
  const options: AxiosAuthRefreshOptions = {
    statusCodes: [401, 403],
    pauseInstanceWhileRefreshing: true,
    skipWhileRefreshing: false,
    deduplicateRefresh: true,
    onRetry: async (config: AxiosRequestConfig): Promise<AxiosRequestConfig> => ({ ...config, baseURL: '' }),
  }
  expect(ours(axios.create(), async () => {}, options)).toBeTypeOf('number')
})
