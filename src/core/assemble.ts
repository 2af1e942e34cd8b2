import { Beginning } from './beginning.ts'
import { Budget } from './budget.ts'
import { CheckedStore } from './checked-store.ts'
import { Cooldown } from './cooldown.ts'
import { Events } from './events.ts'
import { inProcessStore } from './in-process-store.ts'
import { Known } from './known.ts'
import { Look } from './look.ts'
import { type SessionOptions, settingsOf } from './options.ts'
import type { Parts } from './parts.ts'
import { Redaction } from './redaction.ts'
import { Running } from './running.ts'
import { Saving } from './saving.ts'
import { Signing } from './signing.ts'
import { stateOf } from './state.ts'
import { newNonce } from './store.ts'
import { Stubborn } from './stubborn.ts'
import { WaitingRoom } from './waiting-room.ts'
import { Wire } from './wire.ts'
import { Young } from './young.ts'

/** Makes the parts. Each gets those that it needs to know, which are made before it. */
export function assemble(options: SessionOptions): Parts {
  const settings = settingsOf(options)
  const { clock } = settings
  const cookie = options.mode === 'cookie'
  const beginning = new Beginning(options.tokens)
  const reading = options.store !== undefined || beginning.open
  const running = new Running(clock)
  const redaction: Redaction = new Redaction(() => known.held)
  const room = new WaitingRoom(clock, settings.deadline, redaction)
  const cooldown = new Cooldown(clock)
  const budget = new Budget(clock, settings.budget)
  const current = () => stateOf(known.record, known.generation, known.reading, running.flight !== undefined)
  const events: Events = new Events(clock, redaction, current)
  const store = options.store
    ? new CheckedStore(options.store, events, settings)
    : inProcessStore(clock, settings.lease)
  const known: Known = new Known({ settings, events, room, running, cooldown, budget }, reading)
  const saving = new Saving(store, clock, known, events)
  const signing = new Signing(settings, cookie, known)
  const nonce = newNonce(clock)
  return {
    settings,
    cookie,
    store,
    nonce,
    events,
    redaction,
    room,
    running,
    cooldown,
    budget,
    stubborn: new Stubborn(),
    young: new Young(),
    beginning,
    known,
    look: options.store && new Look(store, settings, known, room, nonce),
    saving,
    signing,
    wire: new Wire(),
  }
}
