import { allowInsecureRequests } from 'oauth4webapi'

export const ISSUER: string = String(Object(globalThis).ISSUER)
export const client: { client_id: string } = { client_id: 'app' }
export const BACK: string = `${location.origin}/back`
export const SCOPE = 'openid offline_access'
/** Plain http, while developing on this machine. */
export const DEV: { [allowInsecureRequests]: boolean } = {
  [allowInsecureRequests]: ISSUER.startsWith('http:'),
}
