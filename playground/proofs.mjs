import { createHash, randomBytes } from 'node:crypto'
import { calculateJwkThumbprint, EmbeddedJWK, errors, jwtVerify } from 'jose'

/** So many proofs are remembered: none of them is taken twice. */
const REMEMBERED = 10_000

/** What an API has to look at in proofs of possession (DPoP, RFC 9449 §4.3), with a nonce of its own. */
export function createProofs() {
  const nonce = randomBytes(16).toString('base64url')
  const taken = new Set()

  /** Undefined: it is a proof for this request, by the key that the token is bound to. Else what is wrong. */
  async function objection({ method, headers }, { origin, pathname }, token, thumbprint) {
    try {
      const proof = await jwtVerify(headers.dpop ?? '', EmbeddedJWK, { typ: 'dpop+jwt' })
      const { payload, protectedHeader } = proof
      const { htm, htu, ath, jti } = payload
      const hash = createHash('sha256').update(token).digest('base64url')
      if (htm !== method || htu !== origin + pathname || ath !== hash) return 'invalid_dpop_proof'
      if ((await calculateJwkThumbprint(protectedHeader.jwk)) !== thumbprint) return 'invalid_token'
      if (payload.nonce !== nonce) return 'use_dpop_nonce'
      if (taken.has(jti)) return 'invalid_dpop_proof'
      taken.add(jti)
      if (taken.size > REMEMBERED) taken.delete(taken.values().next().value)
      return undefined
    } catch (error) {
      if (error instanceof errors.JOSEError) return 'invalid_dpop_proof'
      throw error
    }
  }

  return { nonce, objection }
}
