import type { Aborter } from './abortable.ts'
import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import { readResult, Setback } from './outcome.ts'
import type { Parts } from './parts.ts'
import type { Call } from './running.ts'
import type { Lease, Stored } from './store.ts'
import type { TokenSet } from './tokens.ts'

/** What a flight has come to so far. */
export interface Log {
  asked: boolean
  /** It was answered, with an error too: nothing more is to come. */
  done: boolean
  /** Whom a cooldown is told with: what the store held, where it may still be somebody else's. */
  record?: Stored
}

/**
 * Runs `refresh` and reads what comes of it, for as long as the lease lasts. An answer that comes later may hold the
 * only valid refresh token: it is saved all the same.
 */
export function ask(
  parts: Parts,
  lease: Lease,
  over: Aborter,
  { version: { epoch }, tokens }: Stored,
  inJar: boolean,
  log: Log,
  save: (fresh: TokenSet) => Promise<Stored>,
): Promise<TokenSet> {
  const { cookie, settings, known, running, events, nonce } = parts
  const { clock, refresh, isTerminal } = settings
  return new Promise((resolve, reject) => {
    const { signal } = over
    /** Nobody waits for the answer any more. */
    let late = false
    const giveUp = () => {
      late = true
      settled()
      over.abort()
      reject(new Setback('doubt', new Error(say('unanswered'))))
    }
    const name = `refresh of ${nonce}`
    const call: Call = {
      signal,
      name,
      epoch,
      inJar,
      synchronous: true,
      giveUp,
      outdate: () => {
        late = true
        reject(new Setback('doubt', new SessionError('session_changed')))
      },
    }
    const settled = () => {
      clock.clearTimeout(timer)
      lease.signal.removeEventListener('abort', giveUp)
      running.answered(call)
    }
    const timer = clock.setTimeout(giveUp, settings.lease)
    lease.signal.addEventListener('abort', giveUp)
    running.call(call)
    const warn = (reason: string) => events.warn(reason)
    // Asynchronous, so that a `refresh` that throws at once rejects like any other; and it awaits, to be on the stack.
    const asking = async () => {
      let result: unknown
      try {
        result = refresh({ tokens: cookie ? undefined : tokens, signal, warn })
      } finally {
        call.synchronous = false
      }
      return await result
    }
    Object.defineProperty(asking, 'name', { value: name })
    const read = async () => {
      try {
        const answered = await readResult(asking(), clock, cookie, isTerminal, warn)
        // What is not named again is kept (RFC 6749 §6).
        const fresh = Object.assign({}, tokens, answered)
        if (!late) resolve(fresh)
        else if (known.record?.ended === 'signed-out') discard(parts, fresh)
        else if (signal.aborted && !known.record?.ended) known.become(await save(fresh), 'refresh-succeeded')
      } catch (setback) {
        // `isTerminal` is the user's, and may throw as well.
        log.done ||= !signal.aborted
        reject(Setback.is(setback) ? setback : new Setback('final', setback))
      }
      settled()
    }
    void read()
  })
}

/** The user has signed out meanwhile: nobody will use them. */
export function discard({ settings: { revoke } }: Parts, tokens: TokenSet): void {
  Promise.resolve({ tokens })
    .then(revoke)
    .catch(() => {})
}
