import * as oauth from 'oauth4webapi'
import { createSession, type Session, type SessionStore } from 'refresh-once'
import { clientCredentialsGrant, createDpop, refreshTokenGrant } from 'refresh-once/oauth'

/** A client that proves who it is by a key (`private_key_jwt`). */
export interface Client {
  issuer: string
  clientId: string
  key: CryptoKey
  /** Another key, to which tokens are bound. Without one they are Bearer tokens. */
  proofs?: CryptoKeyPair
}

function optionsOf({ issuer, clientId, key, proofs }: Client) {
  const dpop = proofs && createDpop({ key: () => proofs })
  return { issuer, clientId, clientAuth: oauth.PrivateKeyJwt(key), dpop }
}

/** For a user who has signed in at this server. */
export function openSession(client: Client, store: SessionStore): Session {
  return createSession({ ...refreshTokenGrant(optionsOf(client)), store })
}

/** For the server itself. All processes that share the store share one token. */
export function openMachine(client: Client, store: SessionStore): Session {
  return createSession({ ...clientCredentialsGrant({ ...optionsOf(client), scope: 'read' }), store })
}
