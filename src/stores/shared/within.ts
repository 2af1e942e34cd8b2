import type { Clock } from '../../core/clock.ts'
import { patience } from '../../core/patience.ts'

/**
 * What somebody else's operation brings, as long as it is waited for: a server, a share or a keychain may never answer, and
 * nobody may keep the line for them. Rejects with an error that says `late` where it does not end.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  late: string,
  call: () => T | PromiseLike<T>,
): Promise<T> {
  let done = () => {}
  const over = new Promise<never>((_, reject) => {
    done = patience(clock, ms, () => reject(new Error(late)))
  })
  try {
    return await Promise.race([call(), over])
  } finally {
    done()
  }
}
