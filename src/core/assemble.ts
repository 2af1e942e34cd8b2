import { Beginning } from './beginning.ts'
import { Budget } from './budget.ts'
import { CheckedStore } from './checked-store.ts'
import { Cooldown } from './cooldown.ts'
import { Events } from './events.ts'
import { InProcessStore } from './in-process-store.ts'
import { Known } from './known.ts'
import { Look } from './look.ts'
import { type SessionOptions, type Settings, settingsOf } from './options.ts'
import type { Parts } from './parts.ts'
import { Redaction } from './redaction.ts'
import { Running } from './running.ts'
import { Saving } from './saving.ts'
import { Signing } from './signing.ts'
import { newNonce, type SessionStore } from './store.ts'
import { Stubborn } from './stubborn.ts'
import { WaitingRoom } from './waiting-room.ts'
import { Wire } from './wire.ts'
import { Young } from './young.ts'

/** Makes the parts. Each gets all of them, and says which it needs to know. */
export function assemble(options: SessionOptions): Parts {
  return new Assembly(options)
}

/** What an idle session of a pool has no need of is made when it is first asked for. */
class Assembly implements Parts {
  declare readonly settings: Settings
  declare readonly cookie: boolean
  declare readonly store: SessionStore
  declare readonly events: Events
  declare readonly room: WaitingRoom
  declare readonly running: Running
  declare readonly cooldown: Cooldown
  declare readonly budget: Budget
  declare readonly beginning: Beginning
  declare readonly known: Known
  declare readonly saving: Saving
  declare readonly look: Look | undefined
  declare readonly wire: Wire
  #nonce: string | undefined
  #redaction: Redaction | undefined
  #stubborn: Stubborn | undefined
  #young: Young | undefined
  #signing: Signing | undefined

  constructor(options: SessionOptions) {
    const settings = settingsOf(options)
    const { clock, lease } = settings
    const { store, tokens } = options
    this.settings = settings
    this.cookie = options.mode === 'cookie'
    this.beginning = new Beginning(tokens)
    this.running = new Running(clock)
    this.room = new WaitingRoom(this)
    this.cooldown = new Cooldown(clock)
    this.budget = new Budget(settings)
    this.events = new Events(this)
    this.store = store ? new CheckedStore(store, this.events, settings) : new InProcessStore(clock, lease)
    this.known = new Known(this, store !== undefined || this.beginning.open)
    this.saving = new Saving(this)
    this.look = store && new Look(this)
    this.wire = new Wire()
  }

  get nonce(): string {
    this.#nonce ??= newNonce(this.settings.clock)
    return this.#nonce
  }

  get redaction(): Redaction {
    this.#redaction ??= new Redaction(this)
    return this.#redaction
  }

  get stubborn(): Stubborn {
    this.#stubborn ??= new Stubborn()
    return this.#stubborn
  }

  get young(): Young {
    this.#young ??= new Young()
    return this.#young
  }

  get signing(): Signing {
    this.#signing ??= new Signing(this)
    return this.#signing
  }
}
