import type { Beginning } from './beginning.ts'
import type { Budget } from './budget.ts'
import type { Cooldown } from './cooldown.ts'
import type { Events } from './events.ts'
import type { Known } from './known.ts'
import type { Look } from './look.ts'
import type { Settings } from './options.ts'
import type { Redaction } from './redaction.ts'
import type { Running } from './running.ts'
import type { Saving } from './saving.ts'
import type { Signing } from './signing.ts'
import type { SessionStore } from './store.ts'
import type { Stubborn } from './stubborn.ts'
import type { WaitingRoom } from './waiting-room.ts'
import type { Wire } from './wire.ts'
import type { Young } from './young.ts'

/** What a session is made of. Each part owns its piece of state, and is the only one that changes it. */
export interface Parts {
  readonly settings: Settings
  readonly cookie: boolean
  readonly store: SessionStore
  /** Names this context in the versions of the token sets that it obtains. Made when it is needed. */
  readonly nonce: string
  /** What outsiders see and hear. */
  readonly events: Events
  /** What they are told of what strangers wrote. */
  readonly redaction: Redaction
  /** Who waits. */
  readonly room: WaitingRoom
  /** The refresh that runs. */
  readonly running: Running
  /** The pause after one that failed. */
  readonly cooldown: Cooldown
  /** How many may cure nothing. */
  readonly budget: Budget
  /** Which endpoints refuse whatever they get. */
  readonly stubborn: Stubborn
  /** Which token is so new that it may be refused for that. */
  readonly young: Young
  /** What the options say of the beginning. */
  readonly beginning: Beginning
  /** The record. */
  readonly known: Known
  /** What others may have done to it since it has ended; undefined where nobody else can. */
  readonly look: Look | undefined
  /** How it gets into the store. */
  readonly saving: Saving
  /** How a token gets onto a request. */
  readonly signing: Signing
  /** Requests on their way. */
  readonly wire: Wire
}
