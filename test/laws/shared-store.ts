import type { Clock, Lease, SessionStore, Stored, Version } from 'refresh-once'
import type { Schedule } from './time.ts'

/** What a context gets to know through its store, and when. */
interface StoreSpy {
  /** It has asked for `next` to be saved. */
  saving(context: number, next: Stored): void
  /** An operation has told it of a record. */
  told(context: number, stored: Stored): void
  /** The watch has told it of a record. */
  watched(context: number, stored: Stored): void
  /** Its turn has come and lasts until then, by the monotonic clock. */
  leased(context: number, until: number): void
}

export interface SharedStoreOptions {
  schedule: Schedule
  clock: Clock
  spy: StoreSpy
  /** Milliseconds. */
  lease: number
  /** Whether the turn passes on when the lease ends, though the work has not. */
  steals: boolean
}

interface Handle {
  readonly context: number
  listener: ((stored: Stored) => void) | undefined
  known: Stored | undefined
}

/** One record that several contexts share, each through a store of its own. */
export interface SharedStore {
  readonly record: Stored | undefined
  open(context: number): SessionStore
}

/**
 * The store contract of the protocol, and no more than that: every operation takes effect at some time
 * between its call and its answer, each of the two at the scheduler's choice; news arrive late, or merged.
 */
export function createSharedStore({ schedule, clock, spy, lease, steals }: SharedStoreOptions): SharedStore {
  const handles: Handle[] = []
  const queue: (() => void)[] = []
  let record: Stored | undefined
  let taken = false
  /** The newest generation that was ever reserved in this epoch: a number is given out once. */
  let reserved = { epoch: '', generation: 0 }

  function pass(): void {
    if (taken) return
    const next = queue.shift()
    if (!next) return
    taken = true
    next()
  }

  function announce(saver: Handle): void {
    for (const handle of handles) {
      if (handle === saver || !handle.listener) continue
      schedule(`news for ${handle.context}`, () => {
        if (!record || !isNews(record, handle.known)) return
        handle.known = record
        spy.watched(handle.context, record)
        handle.listener?.(record)
      })
    }
  }

  function open(context: number): SessionStore {
    const handle: Handle = { context, listener: undefined, known: undefined }
    handles.push(handle)

    /** Takes effect at one step, and answers at a later one. */
    function operation<T>(name: string, effect: () => T, answering?: (value: T) => void): Promise<T> {
      return new Promise((resolve, reject) => {
        schedule(`${name} of ${context}`, () => {
          let settle: () => void
          try {
            const value = effect()
            settle = () => {
              answering?.(value)
              resolve(value)
            }
          } catch (error) {
            settle = () => reject(error)
          }
          schedule(`${name} of ${context} is answered`, settle)
        })
      })
    }

    const tell = (stored: Stored | undefined) => stored && spy.told(context, stored)

    function turn(until: number, wallUntil: number, signal: AbortSignal, isOver: () => boolean): Lease {
      const begun: number[] = []
      const remaining = () => Math.min(until - clock.monotonic(), wallUntil - clock.now())
      return {
        signal,
        remaining,
        begin: () =>
          operation('begin', () => {
            if (isOver() || remaining() <= 0) throw new Error('the lease has ended')
            if (!record) throw new Error('there is no record')
            const { epoch } = record.version
            const newest = reserved.epoch === epoch ? reserved.generation : (record.pending?.generation ?? 0)
            const generation = Math.max(record.version.generation, newest) + 1
            reserved = { epoch, generation }
            begun.push(generation)
            record = { ...record, pending: { generation, until: clock.now() + remaining() } }
            return generation
          }),
        clear: (generation) =>
          operation('clear', () => {
            if (record?.pending?.generation !== generation || !begun.includes(generation)) return
            const { pending: _, ...rest } = record
            record = rest
          }),
      }
    }

    return {
      load: () => operation('load', () => record, tell),
      save(next) {
        spy.saving(context, next)
        return operation(
          'save',
          () => {
            const before = record
            record = record ? joined(record, next) : next
            if (isNews(record, before)) announce(handle)
            return record
          },
          tell,
        )
      },
      exclusive(work, signal) {
        return new Promise((resolve, reject) => {
          let waiting = true
          let held = false
          let timer: unknown
          const release = () => {
            clock.clearTimeout(timer)
            if (!held) return
            held = false
            taken = false
            pass()
          }
          const leave = () => {
            if (!waiting) return
            waiting = false
            const place = queue.indexOf(start)
            if (place >= 0) queue.splice(place, 1)
            release()
            reject(signal?.reason)
          }
          const start = () => {
            held = true
            let over = false
            const controller = new AbortController()
            const until = clock.monotonic() + lease
            const own = turn(until, clock.now() + lease, controller.signal, () => over)
            timer = clock.setTimeout(() => {
              over = true
              schedule(`lease of ${context} ends`, () => controller.abort())
              if (steals) release()
            }, lease)
            schedule(`turn of ${context}`, () => {
              if (!waiting) return
              waiting = false
              signal?.removeEventListener('abort', leave)
              spy.leased(context, until)
              const finish = (settle: () => void) =>
                schedule(`release of ${context}`, () => {
                  release()
                  settle()
                })
              work(own).then(
                (value) => finish(() => resolve(value)),
                (error) => finish(() => reject(error)),
              )
            })
          }
          if (signal?.aborted) return leave()
          signal?.addEventListener('abort', leave, { once: true })
          queue.push(start)
          pass()
        })
      },
      watch(listener) {
        handle.listener = listener
        return () => {
          handle.listener = undefined
        }
      },
      close() {
        handle.listener = undefined
      },
    }
  }

  return {
    open,
    get record() {
      return record
    },
  }
}

/** Negative when `a` is older than `b`. */
export function compare(a: Version, b: Version): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1
  if (a.generation !== b.generation) return a.generation - b.generation
  return a.nonce < b.nonce ? -1 : Number(a.nonce > b.nonce)
}

function isNews(stored: Stored, known: Stored | undefined): boolean {
  if (!known) return true
  const order = compare(stored.version, known.version)
  return order > 0 || (order === 0 && stored.ended !== undefined && known.ended === undefined)
}

/** The join of the protocol, written anew: greater version; of equal ones the ended, the latest cooldown; the greatest reservation. */
function joined(a: Stored, b: Stored): Stored {
  const order = compare(a.version, b.version)
  const [high, low] = order >= 0 ? [a, b] : [b, a]
  if (high.version.epoch !== low.version.epoch) return high
  const { pending: _, ...result }: Stored =
    order === 0 && low.ended && high.ended !== 'rejected' ? { ...low } : { ...high }
  if (order === 0) {
    const notBefore = Math.max(a.notBefore ?? 0, b.notBefore ?? 0)
    if (notBefore) result.notBefore = notBefore
  }
  const [pending] = [a.pending, b.pending]
    .filter((each) => each !== undefined)
    .filter((each) => each.generation > result.version.generation)
    .sort((x, y) => y.generation - x.generation || y.until - x.until)
  return pending ? { ...result, pending } : result
}
