import { type Clock, sleep } from '../../core/clock.ts'
import { keepTrying } from '../../core/keep-trying.ts'
import { say } from '../../core/messages.ts'
import {
  compareVersions,
  isNews,
  join,
  newNonce,
  type SessionStore,
  type Stored,
  storedOf,
} from '../../core/store.ts'
import type { Change } from '../../core/turns.ts'
import { changeCell } from './cell.ts'
import { type Cell, essenceOf, sealed } from './cell-record.ts'
import { createSiblings, type Message } from './siblings.ts'
import { createWebLockTurns } from './web-lock.ts'

export interface BrowserStoreSettings {
  /** Of the cell, the lock and the channel. */
  readonly name: string
  readonly persist: 'memory' | 'disk'
  readonly lease: number
  readonly clock: Clock
}

/** How many token sets are remembered that siblings have told of and the cell has not named yet. */
const OFFERS = 9

/** Milliseconds for an answer. A tab in the background gives one, a frozen one cannot. */
const PATIENCE = 2_000

/** After so many milliseconds what could not be stored is tried again for the first time. */
const LATER = 1_000

/** Milliseconds for those who know more, where nobody can know whether there are any. */
const SHORT_PATIENCE = 300

/**
 * The store of one context: a tab, a frame or a worker.
 *
 * New tokens are told to the siblings before the cell names their version, and believed by them after it does: a tab
 * that is closed in between takes nothing along, and a message alone moves nobody. Only a crash may swallow the message.
 */
export function createBrowserStore({ name, persist, lease, clock }: BrowserStoreSettings): SessionStore {
  // On a server others who use the name are other users: nobody is met there.
  const shared = 'indexedDB' in globalThis
  const locks = shared ? navigator.locks : undefined
  const memory = persist === 'memory'
  /** The newest record that the session was given, or gave, with its tokens. */
  let known: Stored | undefined
  let offers: Stored[] = []
  /** The cell does not keep what it is given: memory is the truth, and siblings are believed. */
  let broken = false
  /** Somebody tries to store what could not be stored. */
  let catchingUp = false
  const closed = new AbortController()
  let working = 0
  let pong: unknown
  let tell: ((stored: Stored) => void) | undefined
  let report: ((reason: string) => void) | undefined

  const siblings = createSiblings({ name, clock, locks: memory ? locks : undefined, shared, hear, look })
  const exclusive = createWebLockTurns({
    name,
    clock,
    lease,
    locks,
    update: reserve,
    alive,
    standing,
  })

  function degrade(reason: string): void {
    if (!broken) report?.(reason)
  }

  function lost(reason: string): void {
    degrade(reason)
    broken = true
  }

  // The cell

  /** Whether there are tokens that are not here: only what was saved before the first answer has none. */
  function isMissing({ version, tokens, ended }: Stored): boolean {
    return memory && !tokens && !ended && version.generation > 0
  }

  /** What the cell and this context know together. An empty cell is no sign-out. */
  function merge(found: unknown): Cell | undefined {
    const stored: Cell | undefined = storedOf(found)
    if (stored) return known ? join(known, stored) : stored
    if (found || known) lost(say(found ? 'foreign' : 'cleared'))
    return known
  }

  /** Changes the record in the cell; in memory, where the cell does not keep it. */
  async function update<Next extends Cell | undefined>(
    change: (stored: Cell | undefined) => Next,
  ): Promise<Next> {
    try {
      return await inCell(change)
    } catch {
      lost(say('broken'))
      if (shared && !catchingUp) void catchUp()
      known = change(known)
      return known as Next
    }
  }

  async function inCell<Next extends Cell | undefined>(
    change: (stored: Cell | undefined) => Next,
  ): Promise<Next> {
    let next: Next | undefined
    let kept = false
    await changeCell(
      name,
      clock,
      (found) => {
        const stored = merge(found)
        next = change(stored)
        // Whoever has removed the record may have meant it: only another sign-in makes a new one.
        kept = found !== undefined || known?.version.epoch !== next?.version.epoch
        if (kept && next && next !== stored) return sealed(next, found, memory)
      },
      broken,
    )
    if (kept) broken = false
    else known = next
    return next as Next
  }

  /** Stores what could not be stored: siblings who find the former record spend its refresh token once more. */
  async function catchUp(): Promise<void> {
    catchingUp = true
    await keepTrying(
      (ms) => sleep(clock, ms, closed.signal),
      LATER,
      async () => {
        if (!broken || closed.signal.aborted) return false
        try {
          await inCell((stored) => stored && { ...stored })
          siblings.post({ saved: true })
        } catch {
          return true
        }
        return false
      },
    )
    catchingUp = false
  }

  async function reserve(change: Change): Promise<void> {
    const before = broken
    await update(change)
    // Siblings may know more: whoever is about to send a refresh token looks again first.
    if (broken && !before) throw new Error(say('broken'))
  }

  /** The record, with its tokens if anybody has them. */
  async function read(): Promise<Cell | undefined> {
    let stored: Cell | undefined
    try {
      await changeCell(
        name,
        clock,
        (found) => {
          stored = merge(found)
        },
        broken,
      )
    } catch {
      lost(say('broken'))
    }
    if (broken) {
      await siblings.ask({ ask: true }, SHORT_PATIENCE, () => undefined)
      believe()
      // What has failed once may work again: nobody may be left of those who have written what was read now.
      if (!stored || !isNews(stored, known)) return known
    }
    return stored && complete(stored)
  }

  async function complete(stored: Cell): Promise<Cell> {
    if (!isMissing(stored)) return stored
    const offer = await siblings.ask({ ask: true }, PATIENCE, () =>
      offers.find(({ version }) => !compareVersions(version, stored.version)),
    )
    return { ...stored, tokens: offer?.tokens }
  }

  /** Takes note of what the session is given. */
  function learn(stored: Cell): Stored {
    const missing = isMissing(stored)
    if (!missing && isNews(stored, known)) known = essenceOf(stored)
    // Gone with their tab: the former ones are the best there are, unless somebody else has signed in.
    const former = missing && known?.version.epoch === stored.version.epoch ? known : stored
    const { notBefore, pending } = stored
    return { ...essenceOf(former), notBefore, pending }
  }

  // The siblings

  function hear(message: Partial<Record<keyof Message, unknown>>): void {
    const { saved, ask, ping } = message
    const offer = storedOf(message.offer)
    pong = message.pong
    if (saved) look()
    if (offer?.tokens || offer?.ended) {
      offers = [...offers.slice(1 - OFFERS), essenceOf(offer)]
      if (broken) believe()
    }
    // Who has none answers, too: whoever asks knows then that he is no tab that is frozen.
    if (ask) siblings.post({ offer: known })
    // By a timer: Chromium hands messages to a page that is frozen, but its timers stand still.
    if (ping && working) clock.setTimeout(() => siblings.post({ pong: ping }), 0)
  }

  /** Takes the word of siblings, where there is nothing better. */
  function believe(): void {
    for (const offer of offers) {
      if (!isNews(offer, known)) continue
      known = offer
      tell?.(known)
    }
  }

  async function look(): Promise<void> {
    const stored = await read()
    if (stored && !isMissing(stored) && isNews(stored, known)) tell?.(learn(stored))
  }

  // The turn

  function alive(): Promise<boolean> {
    const ping = newNonce(clock)
    return siblings.ask({ ping }, Math.min(PATIENCE, lease / 3), () => pong === ping)
  }

  async function standing(passedOver?: string): Promise<string | undefined> {
    let current: string | undefined
    if ((known?.tokens?.expiresAt ?? 0) > clock.now()) return
    await changeCell(name, clock, (found) => {
      const { version, pending, passed }: Cell = Object(found)
      const now = JSON.stringify(version)
      if (passed !== now) current = now + pending?.generation
      if (current && current === passedOver) return { ...Object(found), passed: now }
    }).catch(() => {})
    return current
  }

  return {
    async load() {
      const stored = await read()
      return stored && learn(stored)
    },

    async save(next) {
      const put = async (next: Stored) =>
        complete(await update((stored) => (stored ? join(stored, next) : next)))
      // Who was refused without the tokens of the record does not know that they are dead.
      const blind =
        memory && next.ended === 'rejected' && !(known && compareVersions(next.version, known.version) === 0)
      if (!blind) siblings.post({ offer: essenceOf(next) })
      let stored = blind ? ((await read()) ?? next) : await put(next)
      const { version } = stored
      // The former tokens were refused, and nobody has the newest: with them the session has ended. Somebody who is
      // frozen may have them.
      if (
        next.ended &&
        isMissing(stored) &&
        next.version.epoch === version.epoch &&
        !(await siblings.isSilent())
      )
        stored = await put({ ...next, version })
      siblings.post({ saved: true })
      return learn(stored)
    },

    exclusive: (work, signal) =>
      exclusive((own) => {
        working++
        return work(own).finally(() => working--)
      }, signal),

    watch(listener, degraded) {
      tell = listener
      report = degraded
      // Whoever observes from the start hears it.
      if (!locks) clock.setTimeout(() => degrade(say('locks')), 0)
      return () => {
        tell = report = undefined
      }
    },

    close() {
      closed.abort()
      siblings.close()
    },
  }
}
