import * as oauth from 'oauth4webapi'
import type { SessionOptions } from '../core/options.ts'

/** Proofs of possession, for `dpop` of a grant. */
export interface Dpop {
  /** The handle of oauth4webapi, for the exchange of an authorization code: its tokens must be bound to the same key. */
  handle: () => Promise<oauth.DPoPHandle>
  /** Signs a request with a proof of its own. */
  applyToken: NonNullable<SessionOptions['applyToken']>
  /** Looks at every answer for the next nonce; decides nothing. */
  shouldRefresh: NonNullable<SessionOptions['shouldRefresh']>
  /** Looks at an answer of the authorization server for the time. */
  hear: (response: Pick<Response, 'headers'>) => void
}

/** Options of {@link createDpop}. */
export interface DpopOptions {
  /** Gives the key pair, for example `storedKey()`. @default one in the memory of this page or process, for ES256 */
  key?: (() => CryptoKeyPair | Promise<CryptoKeyPair>) | undefined
}

/** Of so many servers the nonces are known. */
const REMEMBERED = 100

/**
 * Binds tokens to a key (DPoP, RFC 9449): who steals them can use them nowhere. Each attempt of a request has a fresh
 * proof, with the nonce that its server has told last, and the time of the servers where they tell it.
 *
 * Tokens are good with this key only: where they outlive the page, so must the key (see `storedKey`). An API on another
 * origin must expose its headers to the page: `Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate`.
 *
 * @example
 * const grant = refreshTokenGrant({ issuer, clientId, dpop: createDpop({ key: storedKey() }) })
 */
export function createDpop({ key = () => oauth.generateKeyPair('ES256') }: DpopOptions = {}): Dpop {
  const nonces = new Map<string, string>()
  let making: Promise<oauth.DPoPHandle> | undefined
  /** The nonce that a session has told last. */
  let told: string | undefined
  /** Seconds by which the servers are ahead. */
  let skew = 0

  /** oauth4webapi knows the nonces of its own requests; proofs for an API have the hash of a token. */
  const complete: oauth.ModifyAssertionFunction = (_, payload) => {
    payload.iat = Number(payload.iat) + skew
    if (payload.ath) payload.nonce = nonces.get(new URL(String(payload.htu)).origin)
  }

  async function make(): Promise<oauth.DPoPHandle> {
    return oauth.DPoP({}, await key(), { [oauth.modifyAssertion]: complete })
  }

  async function handle(): Promise<oauth.DPoPHandle> {
    making ??= make()
    try {
      return await making
    } catch (error) {
      making = undefined
      throw error
    }
  }

  function learn(url: string | URL, nonce: string): void {
    const { origin } = new URL(url)
    nonces.delete(origin)
    nonces.set(origin, nonce)
    if (nonces.size > REMEMBERED) nonces.delete(nonces.keys().next().value as string)
  }

  function hear({ headers }: { headers: { get(name: string): string | null | undefined } }): void {
    const ahead = Math.round((Date.parse(headers.get('date') ?? '') - Date.now()) / 1000)
    if (Number.isFinite(ahead)) skew = ahead
  }

  return {
    handle,
    hear,
    async applyToken({ accessToken, token_type }, { method, url, nonce }) {
      // A server that does not know DPoP gives tokens that are not bound.
      if (/^bearer$/i.test(String(token_type))) return { headers: { Authorization: `Bearer ${accessToken}` } }
      // A session tells it again after a refresh: by then it may be an old one.
      if (nonce && nonce !== told) learn(url, nonce)
      told = nonce
      let signed = new Headers()
      // There is no proof to be had without its request: this is one that nobody sends.
      await oauth.protectedResourceRequest(accessToken, method, new URL(url), undefined, undefined, {
        DPoP: await handle(),
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: async (_, { headers }) => {
          signed = new Headers(headers)
          return new Response()
        },
      })
      return {
        headers: {
          Authorization: signed.get('authorization') ?? undefined,
          DPoP: signed.get('dpop') ?? undefined,
        },
      }
    },
    shouldRefresh({ headers, url }) {
      const nonce = headers.get('dpop-nonce')
      if (nonce && url) learn(url, nonce)
      hear({ headers })
      return undefined
    },
  }
}
