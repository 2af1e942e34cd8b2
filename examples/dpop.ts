import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { SessionOptions } from 'refresh-once'

/** Signs each request with a key of this page (DPoP, RFC 9449): a token that is stolen is good for nothing. */
export async function createDpop(): Promise<{
  applyToken: NonNullable<SessionOptions['applyToken']>
  thumbprint: string
}> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  let remembered: string | undefined

  return {
    thumbprint: await calculateJwkThumbprint(jwk),
    async applyToken({ accessToken }, { method, url, nonce = remembered }) {
      remembered = nonce
      const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(accessToken))
      const ath = btoa(String.fromCharCode(...new Uint8Array(hash)))
        .replace(/\+/g, '-')
        .replace(/\//g, '_')
        .replace(/=/g, '')
      const { origin, pathname } = new URL(url)
      const proof = await new SignJWT({ htm: method, htu: origin + pathname, ath, ...(nonce && { nonce }) })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setJti(crypto.randomUUID())
        .setIssuedAt()
        .sign(privateKey)
      return { headers: { Authorization: `DPoP ${accessToken}`, DPoP: proof } }
    },
  }
}
