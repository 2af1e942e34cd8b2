import type { Clock } from '../../core/clock.ts'
import { compareVersions, isNews, isStored, join, type SessionStore, type Stored } from '../../core/store.ts'
import { createTurns } from '../../core/turns.ts'
import { changeCell } from './cell.ts'
import { attemptOf, type Cell, isMissing, nameOf, offerOf, sealed } from './record.ts'
import { createSiblings, type Heard } from './siblings.ts'
import { createWebLockTurns } from './web-lock.ts'

export interface BrowserStoreSettings {
  /** Of the cell, the lock and the channel. */
  readonly name: string
  readonly persist: 'memory' | 'disk'
  readonly lease: number
  readonly clock: Clock
}

type Change = (stored: Stored | undefined) => Stored | undefined

/** How many token sets are remembered that siblings have told of and the cell has not named yet. */
const OFFERS = 9

/**
 * The store of one context: a tab, a frame or a worker.
 *
 * Tokens that are kept in memory are told to the siblings before the cell names their version, and believed by them
 * after it does: a tab that dies in between takes nothing along, and a message alone moves nobody.
 */
export function createBrowserStore({ name, persist, lease, clock }: BrowserStoreSettings): SessionStore {
  const locks = globalThis.navigator?.locks
  /** The newest record that the session was given, or gave, with its tokens. */
  let known: Stored | undefined
  let offers: Stored[] = []
  /** The cell does not keep what it is given: memory is the truth, and siblings are believed. */
  let broken = false
  let working = 0
  let looking = false
  let lookAgain = false
  const hearers = new Set<(stored: Stored) => void>()
  let report: (reason: string) => void = () => {}
  const reported = new Set<string>()

  const siblings = createSiblings({ name, clock, locks, present: persist === 'memory', hear, look })
  siblings.open()

  const turns = { clock, lease, update: reserve }
  const exclusive = locks
    ? createWebLockTurns({ ...turns, name, locks, alive, attempt, passOver, alone })
    : createTurns(turns)

  function say(reason: string): void {
    if (reported.has(reason)) return
    reported.add(reason)
    report(reason)
  }

  function alone(): void {
    say('no Web Locks here: several tabs may refresh at the same time')
  }

  function lost(reason: string): void {
    broken = true
    say(`${reason}: the session lives in memory, and tabs may refresh at the same time`)
  }

  // The cell

  /** What the cell and this context know together. An empty cell is no sign-out. */
  function merge(found: unknown): Cell | undefined {
    if (isStored(found)) return known ? join(known, found) : found
    if (found !== undefined) say('IndexedDB holds something else in the place of the session')
    else if (known) lost('the session was removed from IndexedDB')
    return known
  }

  /** Changes the record in the cell; in memory, where the cell does not keep it. */
  async function update(change: Change, probing = false): Promise<Cell | undefined> {
    let next: Stored | undefined
    let fault: { error: unknown } | undefined
    const apply = (stored: Stored | undefined) => {
      try {
        next = change(stored)
      } catch (error) {
        fault = { error }
      }
    }
    let kept = false
    try {
      await changeCell(name, 'readwrite', clock, (found) => {
        const stored = merge(found)
        apply(stored)
        // Whoever has removed the record may have meant it: only another sign-in makes a new one.
        const removed = found === undefined && known?.version.epoch === next?.version.epoch
        kept = !fault && !removed
        return kept && next && next !== stored ? sealed(next, found, persist) : undefined
      })
      if (kept && broken) {
        broken = false
        reported.clear()
      }
    } catch {
      const before = broken
      lost('IndexedDB cannot be written')
      // Siblings may know more: whoever is about to send a refresh token looks again first.
      if (probing && !before) throw new Error('IndexedDB cannot be written')
      apply(known)
    }
    if (fault) throw fault.error
    if (!kept) known = next
    return next
  }

  function reserve(change: Change): Promise<unknown> {
    return update(change, true)
  }

  /** The record, with its tokens if anybody has them. */
  async function read(): Promise<Cell | undefined> {
    let stored: Cell | undefined
    try {
      await changeCell(name, 'readonly', clock, (found) => {
        stored = merge(found)
        return undefined
      })
    } catch {
      lost('IndexedDB cannot be read')
    }
    if (!broken) return stored && complete(stored)
    await siblings.ask('tokens', () => false)
    believe()
    return known
  }

  async function complete(stored: Cell): Promise<Cell> {
    if (!isMissing(stored)) return stored
    const offered = () => offers.find(({ version }) => !compareVersions(version, stored.version))
    await siblings.ask('tokens', () => offered() !== undefined)
    return { ...stored, tokens: offered()?.tokens }
  }

  /** Takes note of what the session is given. */
  function learn(stored: Cell): Stored {
    const { version, notBefore, pending } = stored
    // Gone with their tab: the former ones are the best there are, unless somebody else has signed in.
    const former = isMissing(stored) && known?.version.epoch === version.epoch ? known : undefined
    const learned = former ?? offerOf(stored)
    if (!broken && !isMissing(stored) && isNews(stored, known)) known = learned
    return { ...learned, notBefore, pending }
  }

  // The siblings

  function hear({ saved, offer, ask, id }: Heard): void {
    if (saved) void look()
    if (isStored(offer)) {
      offers = [...offers.slice(1 - OFFERS), offerOf(offer)]
      if (broken) believe()
    }
    if (ask === 'tokens' || (ask === 'turn' && working))
      siblings.post({ to: String(id), offer: ask === 'tokens' && known ? offerOf(known) : undefined })
  }

  /** Takes the word of siblings, where there is nothing better. */
  function believe(): void {
    for (const offer of offers) {
      if (!isNews(offer, known)) continue
      known = known ? join(known, offer) : offer
      tell(known)
    }
  }

  function tell(stored: Stored): void {
    for (const hearer of hearers) hearer(stored)
  }

  /** Looks for news; once more, if it is asked to meanwhile. */
  async function look(): Promise<void> {
    lookAgain = true
    if (looking) return
    looking = true
    while (lookAgain) {
      lookAgain = false
      const stored = await read()
      if (stored && !isMissing(stored) && isNews(stored, known)) tell(learn(stored))
    }
    looking = false
  }

  // The turn

  async function alive(): Promise<boolean> {
    return (await siblings.ask('turn', () => false)) > 0
  }

  async function attempt(): Promise<string | undefined> {
    if (Number(known?.tokens?.expiresAt) > clock.now()) return undefined
    let found: unknown
    await changeCell(name, 'readonly', clock, (cell) => {
      found = cell
    })
    return attemptOf(found)
  }

  async function passOver(attempt: string): Promise<void> {
    let same = false
    await changeCell(name, 'readwrite', clock, (found) => {
      same = attemptOf(found) === attempt
      return same ? { ...(found as Cell), passed: nameOf(found as Cell) } : undefined
    })
    if (!same) throw new Error('somebody else has gone on')
  }

  return {
    async load() {
      if (!locks) alone()
      const stored = await read()
      return stored && learn(stored)
    },

    async save(next) {
      const offer = () => siblings.post({ offer: offerOf(next) })
      if (persist === 'memory' && next.tokens) offer()
      const stored = (await update((stored) => (stored ? join(stored, next) : next))) ?? next
      if (broken) offer()
      siblings.post({ saved: true })
      if (!broken && isNews(next, known)) known = offerOf(next)
      return learn(await complete(stored))
    },

    exclusive: (work, signal) =>
      exclusive(async (own) => {
        working++
        try {
          return await work(own)
        } finally {
          working--
        }
      }, signal),

    watch(hearer, degraded) {
      hearers.add(hearer)
      if (degraded) report = degraded
      return () => void hearers.delete(hearer)
    },

    close() {
      hearers.clear()
      siblings.close()
    },
  }
}
