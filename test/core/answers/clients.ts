/**
 * How people ask for new tokens: each client hands the same answers over in its own way. `but` says where what
 * it throws or returns does not hold what the verdict needs, and what is made of it then.
 */
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client'
import { OAuth2Client } from '@badgateway/oauth2-client'
import { betterFetch } from '@better-fetch/fetch'
import { createClient as createConnectClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import { GoTrueClient } from '@supabase/auth-js'
import { createTRPCUntypedClient, httpLink } from '@trpc/client'
import { fetchExchange, Client as UrqlClient } from '@urql/core'
import axios from 'axios'
import oldestAxios from 'axios-oldest'
import { Gaxios } from 'gaxios'
import got from 'got'
import { GraphQLClient } from 'graphql-request'
import { hc, parseResponse } from 'hono/client'
import ky from 'ky'
import needle from 'needle'
import nodeFetch from 'node-fetch'
import * as oauth from 'oauth4webapi'
import { ofetch } from 'ofetch'
import createOpenapiClient from 'openapi-fetch'
import * as openid from 'openid-client'
import redaxios from 'redaxios'
import { catchError, firstValueFrom, of } from 'rxjs'
import { ajax } from 'rxjs/ajax'
import { AuthorizationCode } from 'simple-oauth2'
import superagent from 'superagent'
import * as undici from 'undici'
import { up } from 'up-fetch'
import wretch from 'wretch'
import { XMLHttpRequest } from 'xhr2'
import { Items } from '../../../examples/clients/items_pb.ts'
import { type Dialect, KINDS, type Kind, type Verdict } from './server.ts'

export interface Client {
  name: string
  /** Asks with so much patience, in milliseconds. */
  ask(url: string, patience: number): unknown
  dialect?: Dialect
  /** What cannot be known, and what is made of it. */
  but?: Partial<Record<Kind, Verdict>>
  /** It hides Retry-After. */
  deaf?: boolean
  /** Where it tries again by itself, for longer than a test wants to wait. */
  skip?: Kind[]
}

/** The doing of `refresh` itself: nobody can tell what was answered. */
const UNTOLD: Partial<Record<Kind, Verdict>> = {
  '401 in JSON': 'final',
  '401 without a body': 'final',
  '403, a page': 'final',
  '429 with Retry-After': 'final',
  '503 with Retry-After': 'final',
  '503, a page': 'final',
  '500 in JSON': 'final',
}

/** XMLHttpRequest does not tell why; that of Node keeps a status, too. */
const BY_XHR: Client['but'] = { 'no server': 'doubt', 'cut off': 'final' }

const post = (url: string, patience: number): Promise<Response> =>
  fetch(url, { method: 'POST', signal: AbortSignal.timeout(patience) })

/** The fetch of clients that take one, and have no timeout. */
const patient =
  (patience: number): typeof fetch =>
  (input, init) =>
    fetch(input, { ...init, signal: AbortSignal.timeout(patience) })

const THEN = 'then'

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

class HttpError extends Error {
  readonly status: number
  readonly body: unknown

  constructor(status: number, body: unknown) {
    super(`HTTP ${status}`)
    this.status = status
    this.body = body
  }
}

async function orThrow(url: string, patience: number, make: (response: Response, body: unknown) => unknown) {
  const response = await post(url, patience)
  const body = await bodyOf(response)
  if (!response.ok) throw make(response, body)
  return body
}

const REFRESH = gql`mutation { refresh { accessToken expiresIn } }`

async function askUrql(url: string, patience: number) {
  const client = new UrqlClient({
    url,
    exchanges: [fetchExchange],
    preferGetMethod: false,
    fetch: patient(patience),
  })
  return client.mutation(REFRESH, {}).toPromise()
}

const byFetch: Client[] = [
  { name: 'fetch, its Response returned', ask: post },
  {
    name: 'fetch, its Response thrown',
    async ask(url, patience) {
      const response = await post(url, patience)
      if (!response.ok) throw response
      return response.json()
    },
  },
  {
    name: 'fetch, an Error whose cause is the Response',
    async ask(url, patience) {
      const response = await post(url, patience)
      if (!response.ok) throw new Error('not ok', { cause: response })
      return response.json()
    },
  },
  {
    name: 'fetch, an Error with a status',
    ask: (url, patience) =>
      orThrow(url, patience, ({ status }) => Object.assign(new Error('not ok'), { status })),
    deaf: true,
  },
  {
    name: 'fetch, an Error with statusCode and data',
    ask: (url, patience) =>
      orThrow(url, patience, ({ status: statusCode }, data) =>
        Object.assign(new Error('x'), { statusCode, data }),
      ),
    deaf: true,
  },
  {
    name: 'fetch, an Error of its own class, wrapped three times',
    async ask(url, patience) {
      try {
        return await orThrow(url, patience, ({ status }, body) => new HttpError(status, body))
      } catch (cause) {
        throw new Error('a', { cause: new Error('b', { cause: new Error('c', { cause }) }) })
      }
    },
    deaf: true,
  },
  {
    name: 'fetch, an error that is a thenable',
    ask: (url, patience) =>
      orThrow(url, patience, ({ status }) =>
        // As jQuery does: whoever returns it from a `catch` follows it.
        Object.assign(new Error('not ok'), {
          status,
          [THEN]: (_: unknown, no: (why: Error) => void) => no(new Error('followed')),
        }),
      ),
    deaf: true,
  },
  {
    name: 'fetch, status and body in an object',
    async ask(url, patience) {
      const response = await post(url, patience)
      return { status: response.status, body: await bodyOf(response) }
    },
    deaf: true,
  },
  {
    name: 'fetch, the parsed body thrown',
    ask: (url, patience) => orThrow(url, patience, (_, body) => body),
    // "Unauthorized", "slow down" and "busy" say it all.
    but: {
      ...UNTOLD,
      '401 in JSON': 'rejected',
      '429 with Retry-After': 'definite',
      '503 with Retry-After': 'definite',
    },
    deaf: true,
  },
  {
    name: "fetch, throw new Error('refresh failed')",
    ask: (url, patience) => orThrow(url, patience, () => new Error('refresh failed')),
    but: { ...UNTOLD, invalid_grant: 'final' },
    deaf: true,
  },
  {
    name: 'fetch, throw new Error(response.statusText)',
    ask: (url, patience) => orThrow(url, patience, ({ statusText }) => new Error(statusText)),
    // What "Bad Request" and "Forbidden" mean nobody can know; the others say it all.
    but: { invalid_grant: 'final', '403, a page': 'final' },
    deaf: true,
  },
  {
    name: 'fetch, an Error with the status in its message',
    ask: (url, patience) => orThrow(url, patience, ({ status }) => new Error(`HTTP ${status}`)),
    but: { ...UNTOLD, invalid_grant: 'final' },
    deaf: true,
  },
  {
    name: 'fetch, response.ok ? response.json() : null',
    async ask(url, patience) {
      const response = await post(url, patience)
      return response.ok ? response.json() : null
    },
    but: { ...UNTOLD, invalid_grant: 'final' },
    deaf: true,
  },
]

const byHttpClients: Client[] = [
  {
    name: 'undici, request returned',
    ask: (url, patience) => undici.request(url, { method: 'POST', signal: AbortSignal.timeout(patience) }),
  },
  {
    name: 'undici, an Error with statusCode and body',
    async ask(url, patience) {
      const { statusCode, body } = await undici.request(url, {
        method: 'POST',
        signal: AbortSignal.timeout(patience),
      })
      if (statusCode >= 400) throw Object.assign(new Error('x'), { statusCode, body: await body.text() })
      return body.json()
    },
    deaf: true,
  },
  {
    name: 'undici, the responseError interceptor',
    async ask(url, patience) {
      const dispatcher = new undici.Agent().compose(undici.interceptors.responseError())
      const signal = AbortSignal.timeout(patience)
      return (await undici.request(url, { method: 'POST', dispatcher, signal })).body.json()
    },
  },
  {
    name: 'node-fetch',
    ask: (url, patience) => nodeFetch(url, { method: 'POST', signal: AbortSignal.timeout(patience) }),
  },
  { name: 'axios', ask: (url, timeout) => axios.post(url, null, { timeout, proxy: false }) },
  { name: 'axios 1.7', ask: (url, timeout) => oldestAxios.post(url, null, { timeout, proxy: false }) },
  {
    name: 'axios, validateStatus: () => true',
    ask: (url, timeout) => axios.post(url, null, { timeout, proxy: false, validateStatus: () => true }),
  },
  {
    name: 'axios, its fetch adapter',
    ask: (url, timeout) => axios.post(url, null, { timeout, adapter: 'fetch' }),
  },
  {
    name: 'axios, .data returned',
    ask: async (url, timeout) => (await axios.post(url, null, { timeout, proxy: false })).data,
  },
  {
    name: 'redaxios',
    // Its types have a default that its module lacks, and the other way round.
    ask: (url, patience) =>
      (redaxios as unknown as typeof redaxios.default).post(url, undefined, { fetch: patient(patience) }),
    // It takes a body that breaks off for one that is no JSON.
    but: { 'cut off': 'final' },
  },
  { name: 'ky', ask: (url, timeout) => ky.post(url, { retry: 0, timeout }).json() },
  { name: 'ofetch', ask: (url, timeout) => ofetch(url, { method: 'POST', retry: 0, timeout }) },
  { name: 'ofetch.raw', ask: (url, timeout) => ofetch.raw(url, { method: 'POST', retry: 0, timeout }) },
  {
    name: 'wretch',
    ask: (url, patience) =>
      wretch(url)
        .options({ signal: AbortSignal.timeout(patience) })
        .post()
        .json(),
  },
  {
    name: 'got',
    ask: (url, request) => got.post(url, { retry: { limit: 0 }, timeout: { request } }).json(),
  },
  {
    name: 'superagent',
    ask: (url, patience) =>
      superagent
        .post(url)
        .timeout(patience)
        .then((r: unknown) => r),
  },
  {
    name: 'needle',
    ask: (url, response_timeout) => needle('post', url, null, { response_timeout }),
    // It never says that an answer was cut off.
    skip: ['cut off'],
  },
  {
    name: 'gaxios',
    ask: (url, timeout) => new Gaxios({ retry: false }).request({ url, method: 'POST', timeout }),
  },
  {
    name: 'better-fetch',
    ask: (url, timeout) => betterFetch(url, { method: 'POST', timeout }),
    deaf: true,
  },
  {
    name: 'better-fetch, throw: true',
    ask: (url, timeout) => betterFetch(url, { method: 'POST', timeout, throw: true }),
    deaf: true,
  },
  { name: 'up-fetch', ask: (url, timeout) => up(fetch)(url, { method: 'POST', timeout }), deaf: true },
  {
    name: 'openapi-fetch',
    ask: (baseUrl, patience) =>
      createOpenapiClient<{ '': { post: { responses: never } } }>({ baseUrl, fetch: patient(patience) }).POST(
        '',
      ),
  },
  { name: 'hono, hc', ask: (url, patience) => askHono(url, patience) },
  {
    name: 'hono, parseResponse',
    ask: (url, patience) => parseResponse(askHono(url, patience) as never),
    deaf: true,
  },
  {
    name: 'RxJS, ajax',
    ask: (url, timeout) => firstValueFrom(askRxjs(url, timeout)),
    but: BY_XHR,
  },
  {
    name: 'RxJS, ajax, its error returned',
    ask: (url, timeout) => firstValueFrom(askRxjs(url, timeout).pipe(catchError((error) => of(error)))),
    but: BY_XHR,
  },
]

function askRxjs(url: string, timeout: number) {
  return ajax({ url, method: 'POST', timeout, createXHR: () => new XMLHttpRequest() })
}

function askHono(url: string, patience: number): Promise<Response> {
  const client = hc(url, { init: { signal: AbortSignal.timeout(patience) } }) as unknown as {
    $post(): Promise<Response>
  }
  return client.$post()
}

const byProtocols: Client[] = [
  {
    name: 'tRPC',
    dialect: 'trpc',
    ask: (url, patience) =>
      createTRPCUntypedClient({ links: [httpLink({ url, fetch: patient(patience) as never })] }).mutation(
        'refresh',
      ),
    // An answer that is no JSON is a SyntaxError, and nothing else.
    but: { '401 without a body': 'final', '403, a page': 'final', '503, a page': 'final' },
  },
  {
    name: 'graphql-request',
    dialect: 'graphql',
    async ask(url, patience) {
      const client = new GraphQLClient(url, { fetch: patient(patience) })
      return (await client.request<{ refresh: unknown }>('mutation { refresh { accessToken } }')).refresh
    },
  },
  {
    name: 'Apollo Client',
    dialect: 'graphql',
    async ask(uri, patience) {
      const link = new HttpLink({ uri, fetch: patient(patience) })
      const client = new ApolloClient({ cache: new InMemoryCache(), link })
      return (await client.mutate<{ refresh: unknown }>({ mutation: REFRESH })).data?.refresh
    },
  },
  {
    name: 'urql, the result returned',
    dialect: 'graphql',
    async ask(url, patience) {
      const result = await askUrql(url, patience)
      return result.data?.refresh ?? result
    },
  },
  {
    name: 'urql, its error thrown',
    dialect: 'graphql',
    async ask(url, patience) {
      const { data, error } = await askUrql(url, patience)
      if (error) throw error
      return data.refresh
    },
  },
  {
    name: 'Connect',
    dialect: 'connect',
    async ask(url, defaultTimeoutMs) {
      const transport = createConnectTransport({
        baseUrl: url,
        defaultTimeoutMs,
        fetch: (_, init) => fetch(url, init),
      })
      return (await createConnectClient(Items, transport).get({ value: 'refresh' })).value
    },
    but: { '200, a page': 'doubt', '200 without a body': 'doubt' },
  },
]

const byOAuth: Client[] = [
  {
    name: 'openid-client',
    ask(url, patience) {
      const server = { issuer: new URL(url).origin, token_endpoint: url }
      const config = new openid.Configuration(server, 'app', undefined, openid.None())
      openid.allowInsecureRequests(config)
      config.timeout = patience / 1000
      return openid.refreshTokenGrant(config, 'rt')
    },
  },
  {
    name: 'oauth4webapi',
    async ask(url, patience) {
      const server = { issuer: new URL(url).origin, token_endpoint: url }
      const app = { client_id: 'app' }
      const response = await oauth.refreshTokenGrantRequest(server, app, oauth.None(), 'rt', {
        [oauth.allowInsecureRequests]: true,
        signal: AbortSignal.timeout(patience),
      })
      return oauth.processRefreshTokenResponse(server, app, response)
    },
  },
  {
    name: 'simple-oauth2',
    async ask(url, timeout) {
      const { origin: tokenHost, pathname: tokenPath } = new URL(url)
      const flow = new AuthorizationCode({
        client: { id: 'app', secret: 's' },
        auth: { tokenHost, tokenPath },
        http: { timeout },
      })
      return (await flow.createToken({ access_token: 'a', refresh_token: 'rt' }).refresh()).token
    },
  },
  {
    name: '@badgateway/oauth2-client',
    ask: (url, patience) =>
      new OAuth2Client({
        clientId: 'app',
        tokenEndpoint: url,
        server: url,
        fetch: patient(patience),
      }).refreshToken({
        accessToken: 'a',
        refreshToken: 'rt',
        expiresAt: 0,
      }),
  },
  {
    name: 'Supabase, { data, error } returned',
    dialect: 'gotrue',
    ask: (url, patience) => askSupabase(url, patience),
    but: { '401 without a body': 'final', '403, a page': 'final' },
    deaf: true,
    // It tries again by itself, for half a minute.
    skip: KINDS.filter((kind) => !/^(tokens|invalid_grant|4)/.test(kind)),
  },
]

function askSupabase(url: string, patience: number) {
  const fetch = patient(patience)
  return new GoTrueClient({
    url,
    autoRefreshToken: false,
    persistSession: false,
    fetch: (_, init) => fetch(url, init),
  }).refreshSession({ refresh_token: 'rt' })
}

export const CLIENTS: Client[] = [...byFetch, ...byHttpClients, ...byProtocols, ...byOAuth]
