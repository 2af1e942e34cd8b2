import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { delay, sendJson } from './listen.mjs'
import { createProofs } from './proofs.mjs'

/** How long a request is on its way here, and a call at work, in milliseconds. */
const WAY = 40
const WORK = 60

/** Nobody may keep this server waiting for longer. */
const LONGEST = 10_000

/**
 * The API: an OAuth 2.0 resource server that checks every access token against the published keys of the
 * authorization server, and against its revocation list. A token that is bound to a key is good with a proof only.
 *
 *     GET  /api/items/:call     reads
 *     POST /api/effects/:call   does something that must not be done twice
 *
 * `?late=600` keeps a request for so long before its token is looked at: a slow network, a full gateway.
 * `?work=200` makes the call itself take longer.
 */
export function createApi({ authorizationServer, audience }) {
  const keys = createRemoteJWKSet(authorizationServer.keys)
  const { issuer } = authorizationServer

  const proofs = createProofs()

  /** Undefined: the token is good. Else the challenge that says what is wrong. */
  async function objection(request, url) {
    const [, scheme = 'Bearer', token] =
      /^(Bearer|DPoP) (.+)$/i.exec(request.headers.authorization ?? '') ?? []
    if (!token) return scheme
    const invalid = (what) => `${scheme} error="invalid_token", error_description="${what}"`
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', clockTolerance: 0 })
      if (authorizationServer.isRevoked(payload.jti)) return invalid('the access token was revoked')
      const bound = payload.cnf?.jkt
      if (Boolean(bound) !== /dpop/i.test(scheme)) return invalid('the access token is of another scheme')
      const wrong = bound && (await proofs.objection(request, url, token, bound))
      return wrong && `DPoP error="${wrong}"`
    } catch (error) {
      if (error instanceof errors.JWTExpired) return invalid('the access token has expired')
      if (error instanceof errors.JOSEError) return invalid('the access token is not valid')
      throw error
    }
  }

  return {
    /** The keys come over the network; the first call shall not wait for them. */
    ready: () => keys.reload(),

    async handle(request, response, url, log) {
      const [, kind, number] = /^\/api\/(items|effects)\/(\d+)$/.exec(url.pathname) ?? []
      if (!kind || request.method !== (kind === 'items' ? 'GET' : 'POST')) {
        sendJson(response, 404, { error: 'not_found' })
        return
      }
      const call = Number(number)
      const answered = log.request(call)
      response.on('close', () => answered(response.writableFinished ? response.statusCode : 0))
      if (!(await delay(WAY + milliseconds(url, 'late', 0), response))) return
      const challenge = await objection(request, url)
      if (challenge) {
        const headers = { 'www-authenticate': challenge, 'dpop-nonce': proofs.nonce }
        sendJson(response, 401, { error: 'invalid_token' }, headers)
        return
      }
      if (kind === 'effects') log.effect(call)
      if (!(await delay(milliseconds(url, 'work', WORK), response))) return
      sendJson(response, kind === 'items' ? 200 : 201, { call })
    },
  }
}

function milliseconds(url, name, otherwise) {
  const value = Number(url.searchParams.get(name) ?? otherwise)
  return value >= 0 && value <= LONGEST ? value : otherwise
}
