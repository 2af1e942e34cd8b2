import type { Clock } from './clock.ts'
import { compareVersions, type Stored } from './store.ts'
import { type Validity, validityOf, type Windows } from './tokens.ts'

/** How many former access tokens are remembered besides the first. */
const REMEMBERED = 8

/** What this context knows of the session: its newest record, and what follows from it. */
export interface Account {
  readonly record: Stored | undefined
  readonly epoch: string | undefined
  readonly generation: number
  /** Undefined while the access token's end is not known. */
  readonly validity: Validity | undefined
  /** Takes `next` over unless we know something newer: a version never goes down. */
  accept(next: Stored): boolean
  /** Whether a header value carries an access token that this session holds or held. */
  knows(headerValue: string): boolean
}

export function createAccount(windows: Windows, clock: Clock): Account {
  let record: Stored | undefined
  let epoch: string | undefined
  let generation = 0
  let validity: Validity | undefined
  const held: string[] = []

  return {
    get record() {
      return record
    },
    get epoch() {
      return epoch
    },
    get generation() {
      return generation
    },
    get validity() {
      return validity
    },
    accept(next) {
      const order = record ? compareVersions(next.version, record.version) : 1
      if (order < 0 || (order === 0 && (record?.ended || !next.ended))) return false
      record = next
      epoch = next.version.epoch
      generation = next.version.generation
      validity = validityOf(next.tokens, windows, clock)
      if (next.tokens?.accessToken) {
        held.push(next.tokens.accessToken)
        // The first one stays: apps set it as a default header once and for all.
        if (held.length > REMEMBERED) held.splice(1, 1)
      }
      return true
    },
    knows: (value) => held.some((token) => value === token || value.endsWith(` ${token}`)),
  }
}
