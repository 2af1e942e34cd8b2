import { CanceledError, type InternalAxiosRequestConfig } from 'axios'
import { systemClock } from '../../core/clock.ts'

import { timedOut } from './timeout.ts'

type Config = InternalAxiosRequestConfig

/** What every CancelToken has, and its type does not tell. */
export interface Subscribable {
  subscribe(listener: (reason: { message?: string }) => void): void
  unsubscribe(listener: (reason: { message?: string }) => void): void
}

/** Whether its caller has cancelled a request. */
export function isCancelled({ signal, cancelToken }: Config): boolean {
  return Boolean(signal?.aborted || cancelToken?.reason)
}

/**
 * Calls `leave` when the caller of a request cancels it, or its time is up. Returns the function that ends that.
 *
 * @param since when it started; 0 where it has no timeout
 */
export function onLeave(
  config: Config,
  timeout: number,
  since: number,
  leave: (reason: unknown) => void,
): (() => void) | undefined {
  const { signal, cancelToken } = config
  if (!signal && !cancelToken && !since) return undefined
  const abort = () => leave(cancelToken?.reason ?? new CanceledError(undefined, config as never))
  const expire = () => leave(timedOut(config))
  const left = timeout - (performance.now() - since)
  const timer = since ? systemClock.setTimeout(expire, left) : undefined
  const token = cancelToken as Subscribable | undefined
  token?.subscribe(abort)
  signal?.addEventListener?.('abort', abort)
  if (signal?.aborted) abort()
  return () => {
    systemClock.clearTimeout(timer)
    token?.unsubscribe(abort)
    signal?.removeEventListener?.('abort', abort)
  }
}
