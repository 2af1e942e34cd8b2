import type { Stored } from '../../core/store.ts'
import type { TokenSet } from '../../core/tokens.ts'

/** A record as it lies in the cell. */
export interface Cell extends Stored {
  /** The version in which a frozen holder of the turn was passed over last. */
  passed?: string | undefined
}

/** What may lie on the disk, in the place of `found`; with `secret`, nothing that could be stolen. */
export function sealed({ tokens, ...next }: Stored, found: unknown, secret: boolean): Cell {
  return { ...next, tokens: secret ? withoutSecrets(tokens) : tokens, passed: Object(found).passed }
}

/** In cookie mode it is no secret that somebody is signed in, and until when. */
function withoutSecrets(tokens: TokenSet | undefined): TokenSet | undefined {
  const { accessToken, expiresAt, receivedAt, updateGeneration }: Partial<TokenSet> = Object(tokens)
  return accessToken === '' ? { accessToken, expiresAt, receivedAt, updateGeneration } : undefined
}

/** What siblings are told of a record, and what the session is given of it. */
export function essenceOf({ version, tokens, ended }: Stored): Stored {
  return { version, tokens, ended }
}
