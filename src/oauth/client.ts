import * as oauth from 'oauth4webapi'
import { readBody } from '../core/answer.ts'
import { say } from '../core/messages.ts'
import { LOOPBACK } from '../core/origins.ts'
import type { TokenSet } from '../core/tokens.ts'
import type { Dpop } from './dpop.ts'

/** How a client speaks to its authorization server. */
export interface OAuthClientOptions {
  /**
   * The issuer identifier. Its metadata is fetched once, when it is first needed: as OpenID Connect Discovery has it, or,
   * where there is none, RFC 8414.
   */
  issuer?: string | undefined
  /** The metadata, in the place of `issuer`: of a server that publishes none, or a wrong issuer. */
  server?: oauth.AuthorizationServer | undefined
  clientId: string
  /**
   * How the client proves who it is, for example `oauth.PrivateKeyJwt(key)` or `oauth.ClientSecretBasic(secret)`, both of
   * oauth4webapi. There is no secret in a browser.
   * @default oauth.None()
   */
  clientAuth?: oauth.ClientAuth | undefined
  /** What is asked for. @default what was granted */
  scope?: string | undefined
  /** For which APIs (RFC 8707). @default what was granted */
  resource?: string | readonly string[] | undefined
  /** Binds the tokens to a key (RFC 9449), see `createDpop`. */
  dpop?: Dpop | undefined
  /** Further parameters of the token request, for example Auth0's `audience`. */
  parameters?: Readonly<Record<string, string>> | undefined
  /** @default the runtime's */
  fetch?: typeof fetch | undefined
  /** Plain http is for loopback only, unless this is true. @default false */
  insecure?: boolean | undefined
}

/** What a token request asks for. */
export type Target = Pick<OAuthClientOptions, 'scope' | 'resource'>

/** One client of one authorization server. */
export interface OAuthClient {
  /** What oauth4webapi wants to know of it. */
  client: oauth.Client
  /** The metadata of the server. Rejects where they cannot be had; the next call tries again. */
  server(signal?: AbortSignal): Promise<oauth.AuthorizationServer>
  /**
   * One token request, with the parameters of its grant. Resolves with tokens as the server has told them, unchecked, or
   * with a response that has none, for the session to read.
   */
  request(
    grantType: string,
    own: Readonly<Record<string, string>>,
    target: Target,
    signal?: AbortSignal,
  ): Promise<oauth.TokenEndpointResponse | Response>
  /** RFC 7009, of the refresh token, or else the access token. Does nothing where the server has no such endpoint. */
  revoke(ended: { tokens: TokenSet | undefined }): Promise<void>
}

/** The last word of what only a developer can mend: `invalid_client`, `unsupported_grant_type` (RFC 6749 §5.2, RFC 8707 §2). */
const MISTAKE = /_(client|scope|target|request|type)$/

/** A clock that is off by less, in seconds, is right. */
const RIGHT = 5

/** Nobody waits longer, in milliseconds, for a revocation. */
const PATIENCE = 10_000

/** @throws TypeError where there is no issuer, or no client */
export function createClient(options: OAuthClientOptions): OAuthClient {
  const { issuer, server: given, clientId, clientAuth = oauth.None(), dpop, parameters } = options
  const address = String(issuer ?? given?.token_endpoint)
  if (!/^https?:/i.test(address) || !clientId) throw new TypeError(say('grant'))
  const at = new URL(address)
  const insecure = options.insecure ?? LOOPBACK.test(at.hostname)
  /** Seconds by which the server is ahead. */
  let skew = 0
  const client: oauth.Client = {
    client_id: clientId,
    get [oauth.clockSkew]() {
      return skew
    },
  }
  let discovery = given && Promise.resolve(given)

  const through = (signal?: AbortSignal) => ({
    [oauth.allowInsecureRequests]: insecure,
    async [oauth.customFetch](url: string, init: object) {
      const sent = { ...init, signal, cache: 'no-store' } as RequestInit
      const response = await (options.fetch ?? fetch)(url, sent)
      const ahead = Math.round((Date.parse(`${response.headers.get('date')}`) - Date.now()) / 1000)
      // Assertions and proofs are refused where they come from the future, or too late.
      skew = Math.abs(ahead) > RIGHT ? ahead : 0
      dpop?.hear(response)
      // When it has come whole; of what is too long to be ours only the beginning.
      return response.body ? new Response(await readBody(response), response) : response
    },
  })

  /** Where there is none some say 404, and others show a page, or refuse. */
  function discover(signal?: AbortSignal): Promise<oauth.AuthorizationServer> {
    const ask = async (algorithm: 'oidc' | 'oauth2') =>
      oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, { ...through(signal), algorithm }))
    return ask('oidc').catch((error) => ask('oauth2').catch(() => Promise.reject(error)))
  }

  function server(signal?: AbortSignal): Promise<oauth.AuthorizationServer> {
    discovery ??= discover(signal)
    return discovery.catch((cause) => {
      discovery = undefined
      // The status says that no refresh token was sent: whatever that answer was, it is no refusal.
      throw Object.assign(new Error(say('discovery', at.href, cause.message)), { status: 503 })
    })
  }

  return {
    client,
    server,

    async request(grantType, own, { scope, resource }, signal) {
      const as = await server(signal)
      const form = new URLSearchParams({ ...parameters, ...own })
      if (scope) form.set('scope', scope)
      for (const one of [resource ?? []].flat()) form.append('resource', one)
      const sending = { ...through(signal), ...(dpop && { DPoP: await dpop.handle() }) }

      let response: Response
      let body: Record<string, unknown>
      let problem: string | undefined
      let last: string | undefined
      let before: number
      do {
        last = problem
        before = skew
        response = await oauth.genericTokenEndpointRequest(as, client, clientAuth, grantType, form, sending)
        body = Object(
          await response
            .clone()
            .json()
            .catch(() => {}),
        )
        problem = `${body.error}`
        // Refused before anything was spent: by a clock that is right by now, or without the nonce that the handle has by now.
      } while (
        problem !== last &&
        (skew === before ? dpop && problem === 'use_dpop_nonce' : /client|dpop/.test(problem))
      )

      // With all its words: what some call a mistake of the request is the end of the refresh token.
      if (MISTAKE.test(problem))
        throw Object.assign(new Error(say('setting', problem)), { status: response.status, body })
      // The session knows what each of them means. What is odd beside the tokens (null, no time, a list of scopes) is no
      // reason to lose them: the refresh token is spent.
      return response.ok && body.access_token ? (body as oauth.TokenEndpointResponse) : response
    },

    async revoke({ tokens }) {
      const token = tokens?.refreshToken ?? tokens?.accessToken
      if (!token) return
      // Where the runtime has no such signal, it takes as long as it takes.
      const signal = AbortSignal.timeout?.(PATIENCE)
      const as = await server(signal)
      if (!as.revocation_endpoint) return
      const response = await oauth.revocationRequest(as, client, clientAuth, token, through(signal))
      // Some say 204.
      if (!response.ok) await oauth.processRevocationResponse(response)
    },
  }
}
