import type { SessionError } from './errors.ts'
import type { Events } from './events.ts'
import type { Settings } from './options.ts'
import type { Credentials, SessionRequest } from './request.ts'
import type { SessionStore, Stored } from './store.ts'
import type { Validity } from './tokens.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** What one session object knows, and is doing. Every other file of the core is functions over it. */
export interface Context {
  readonly settings: Settings
  readonly cookie: boolean
  readonly store: SessionStore
  /** Names this context in the versions of the token sets that it obtains. */
  readonly nonce: string
  /** `close()` was called. */
  closed: boolean
  readonly events: Events
  /** Whoever waits for a token; emptied with every change of the record and every end of a flight. */
  readonly room: WaitingRoom
  /** Requests on the wire that may be recalled. */
  readonly wire: Set<SessionRequest<unknown>>
  /** Access tokens that were ours: the first, which apps set as a default header, and the newest. */
  readonly held: string[]
  /** The newest record that was seen: only `become` replaces it, and only by a newer one. */
  record: Stored | undefined
  /** Of the record's tokens. */
  validity: Validity
  /** The store has not been read yet. */
  restoring: boolean
  /**
   * The refresh that is running. `holds`: a 401 has asked for it, so requests wait although the token has not expired.
   * `needless` aborts when nobody waits for it any more.
   */
  flight: { holds: boolean; timer: unknown; needless: AbortController } | undefined
  /** Gives up the refresh that has been sent. */
  giveUp: (() => void) | undefined
  /**
   * Why the last flight failed. Until then (by the monotonic clock) nobody asks again; `announced` is the latest
   * time (by the wall clock) that was told to others.
   */
  failure: { error: SessionError; until: number; announced: number } | undefined
  /** How many flights in a row have failed. */
  failures: number
  /** The generation that this context has reserved last. */
  reserved: number
  /** New tokens that the store has not taken yet. */
  unsaved: Stored | undefined
  /** Whether the newest token set came from somebody else. */
  adopted: boolean
  /** When refreshes that a 401 asked for came home, since one has cured anything (by the monotonic clock). */
  uncured: number[]
  /** How many requests observers have heard of. */
  ids: number
  /** Names, in lower case, of the headers that hold credentials. */
  credentialHeaders: string[]
  /** What is sent while this is true is part of the refresh: the user's function has not come to its first await. */
  insideRefresh: boolean
  /** What is sent with this signal is part of the refresh. */
  refreshSignal: AbortSignal | undefined
  /** The Bearer credentials of the record's tokens: the same object for every request. */
  bearer: Credentials | undefined
}
