import { systemClock } from '../../core/clock.ts'
import { say } from '../../core/messages.ts'
import { patience } from '../../core/patience.ts'

/** What somebody else's operations bring, as long as they are waited for. */
export interface Soon {
  /** Rejects where it does not end; `name` says what did not. */
  <T>(name: string, call: () => T | PromiseLike<T>): Promise<T>
  /** Nothing is waited for any less from now on. */
  close(): void
}

/**
 * A share that is gone, and a keychain that asks its owner, may never answer: nobody may keep the line for them. What the
 * machine does takes the machine's own time, whatever clock a session is given.
 */
export function createSoon(ms: number): Soon {
  const waits = new Set<() => void>()
  const soon = async <T>(name: string, call: () => T | PromiseLike<T>) => {
    let done = () => {}
    const late = new Promise<never>((_, reject) => {
      done = patience(systemClock, ms, () => reject(new Error(say('hangs', name))))
    })
    waits.add(done)
    try {
      return await Promise.race([call(), late])
    } finally {
      done()
      waits.delete(done)
    }
  }
  return Object.assign(soon, {
    close() {
      for (const done of waits) done()
    },
  })
}
