import { compareVersions, isStored, type Stored } from '../../core/store.ts'
import type { TokenSet } from '../../core/tokens.ts'

/** A record as it lies in the cell. */
export interface Cell extends Stored {
  /** It has tokens, and tabs may have them. */
  held?: boolean | undefined
  /** The version in which a frozen holder of the turn was passed over. */
  passed?: string | undefined
}

/** What may lie on the disk, in the place of `found`. */
export function sealed(next: Stored, found: unknown, persist: 'memory' | 'disk'): Cell {
  const { version, tokens, ended, notBefore, pending } = next
  const before: Partial<Cell> = Object(found)
  const same = before.version && !compareVersions(before.version, version)
  return {
    version,
    ended,
    notBefore,
    pending,
    tokens: persist === 'disk' ? tokens : withoutSecrets(tokens),
    held: tokens ? true : !ended && same && before.held,
    passed: before.passed,
  }
}

/** In cookie mode there is nothing that could be stolen in knowing that somebody is signed in, and until when. */
function withoutSecrets(tokens: TokenSet | undefined): TokenSet | undefined {
  if (!tokens || tokens.accessToken) return undefined
  const { accessToken, expiresAt, receivedAt } = tokens
  return { accessToken, expiresAt, receivedAt }
}

/** Whether there are tokens that are not here. */
export function isMissing({ tokens, held, ended }: Cell): boolean {
  return !tokens && !ended && held === true
}

/** What siblings are told of a record. */
export function offerOf({ version, tokens, ended }: Stored): Stored {
  return { version, tokens, ended }
}

/** Tells one attempt to refresh from others, unless somebody was passed over in this version already. */
export function attemptOf(found: unknown): string | undefined {
  if (!isStored(found)) return undefined
  const { version, pending, passed } = found as Cell
  return passed === nameOf(found) ? undefined : JSON.stringify([version, pending?.generation])
}

/** Of a version, in the cell. */
export function nameOf({ version }: Stored): string {
  return JSON.stringify(version)
}
