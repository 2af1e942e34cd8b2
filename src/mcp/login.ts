import { idly, systemClock } from '../core/clock.ts'
import type { TokenSet } from '../core/tokens.ts'
import type { Line } from './lines.ts'

/** Milliseconds for which a login keeps others back that has not come to its page: between two of its requests. */
const LONGEST_PAUSE = 2000

/** And for each of them. */
const LONGEST_REQUEST = 10_000

/** The login that the SDK opens now. */
export interface Login {
  /** Resolves, at one's turn, with the tokens of somebody who has signed in meanwhile: another transport, another process. */
  alone(): Promise<TokenSet | undefined>
  /** Each of its requests gives it more time. */
  during<T>(request: Promise<T>): Promise<T>
  /** Its page was opened, or it is over: that ends its turn. */
  opened(): void
}

/**
 * Lets logins open one at a time: those that begin at once would each register a client, and the last verifier need not be
 * that of the last page.
 */
export function createLogin(line: Line, current: () => Promise<TokenSet | undefined>): Login {
  /** Runs out when it does not get on. */
  let timer: unknown

  /** It has another `ms`. Where none opens, nothing comes of it. */
  function goesOn(ms: number): void {
    systemClock.clearTimeout(timer)
    timer = idly(systemClock, () => login.opened(), ms)
  }

  const login: Login = {
    opened() {},
    async alone() {
      const pass = await line()
      const tokens = await current().catch((error) => {
        pass()
        throw error
      })
      login.opened = pass
      goesOn(LONGEST_PAUSE)
      if (tokens) pass()
      return tokens
    },
    during(request) {
      goesOn(LONGEST_REQUEST)
      return request.finally(() => goesOn(LONGEST_PAUSE))
    },
  }
  return login
}
