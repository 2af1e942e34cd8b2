export type { OAuthClientOptions, Target } from './client.ts'
export { createDpop, type Dpop, type DpopOptions } from './dpop.ts'
export { clientCredentialsGrant, type Grant, type RefreshTokenGrant, refreshTokenGrant } from './grants.ts'
export { type StoredKeyOptions, storedKey } from './stored-key.ts'
