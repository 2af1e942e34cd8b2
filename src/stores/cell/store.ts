import { type Clock, idly } from '../../core/clock.ts'
import { isNews, join, newNonce, type SessionStore } from '../../core/store.ts'
import { createAgain } from '../shared/again.ts'
import { createExclusive } from '../shared/exclusive.ts'
import { createNews } from '../shared/news.ts'
import type { Cell } from './cell.ts'
import { createClaims } from './claim.ts'
import { createRegister } from './register.ts'

/** Where a session lives. Times are in milliseconds. */
export interface Home {
  readonly cell: Cell
  readonly clock: Clock
  readonly lease: number
  readonly ttl: number
  readonly timeout: number
  readonly poll: number | undefined
}

/** The store of one session: its record in a cell, and who may refresh it. */
export function createCellStore({ cell, clock, lease, ttl, timeout, poll }: Home): SessionStore {
  const { learn, tell, report, watch, end } = createNews()
  let unlisten: (() => void) | undefined
  let closed = false

  const register = createRegister(cell, { clock, timeout, degraded: report })
  const exclusive = createExclusive(
    clock,
    lease,
    ttl,
    createClaims({ clock, ttl, owner: newNonce(clock), register, tell: ({ record }) => tell(record) }),
  )

  const news = createAgain(async () => {
    if (closed) return
    // What cannot be read now is looked at when it is needed.
    await register.read().then(
      ({ record }) => tell(record),
      () => {},
    )
    // Whoever waits may hear first that there is nothing to wait for any more.
    exclusive.wake()
  })

  function listen(): void {
    if (unlisten || closed) return
    const ends = [cell.watch?.(() => void news()), poll && every(poll)]
    unlisten = () => {
      for (const end of ends) if (end) end()
    }
  }

  function every(ms: number): () => void {
    let timer: unknown
    const wait = (): void => {
      timer = idly(clock, () => void news().then(() => closed || wait()), ms)
    }
    wait()
    return () => clock.clearTimeout(timer)
  }

  return {
    async load() {
      const { state } = exclusive.said() ?? { state: await register.read() }
      return state.record && learn(state.record)
    },

    async save(next) {
      // Before it is written: the hint may come before we know that it was.
      learn(next)
      let fresh = false
      const { record = next } = await register.update(
        ({ record, ...state }) => {
          const joined = record ? join(record, next) : next
          // A cooldown of zero is none: whoever saves twice writes once.
          const written = { ...joined, notBefore: joined.notBefore || undefined }
          fresh = isNews(written, record)
          return JSON.stringify(written) === JSON.stringify(record)
            ? undefined
            : { ...state, record: written }
        },
        () => fresh,
      )
      return learn(record)
    },

    exclusive: exclusive.run,

    watch(hear, degraded) {
      const unwatch = watch(hear, degraded)
      listen()
      return unwatch
    },

    close() {
      closed = true
      end()
      unlisten?.()
      unlisten = undefined
    },
  }
}
