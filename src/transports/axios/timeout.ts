import { AxiosError, type InternalAxiosRequestConfig } from 'axios'

/**
 * What is left for a send of the milliseconds that the caller gives for waiting, each send, and everything between; 0 where
 * nothing of them is spent.
 *
 * @param since when the request started; 0 where it has no timeout
 */
export function timeLeft(timeout: number, since: number): number {
  const spent = Math.floor(since && performance.now() - since)
  return spent && Math.max(1, timeout - spent)
}

/** The error of a request whose time is up before it is sent, as an adapter makes it. */
export function timedOut(config: InternalAxiosRequestConfig): AxiosError {
  const { timeoutErrorMessage, timeout, transitional } = config
  return new AxiosError(
    timeoutErrorMessage ?? `timeout of ${timeout}ms exceeded`,
    transitional?.clarifyTimeoutError ? 'ETIMEDOUT' : 'ECONNABORTED',
    config,
  )
}

/** Puts the whole timeout, which is what the caller knows, into the message of an adapter that knew what was left of it. */
export function tellWhole(outcome: unknown, left: unknown, whole: unknown): void {
  if (
    left !== whole &&
    outcome instanceof AxiosError &&
    /^E(TIMEDOUT|CONNABORTED)$/.test(String(outcome.code))
  ) {
    outcome.message = outcome.message.replace(String(left), String(whole))
  }
}
