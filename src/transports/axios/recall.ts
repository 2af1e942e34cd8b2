import axios, { type AxiosAdapter, AxiosError, type InternalAxiosRequestConfig } from 'axios'
import { adapterOf } from './adapter.ts'
import type { Subscribable } from './cancellation.ts'

/** What is recalled: `begun` is kept up to date. */
interface Recallable {
  begun: boolean
  recall: (() => void) | undefined
}

/**
 * Puts into `ours` what takes a send off the wire, and what tells that it is answered. It is a token of axios: an
 * AbortController for each request would cost more than all else that is done for it.
 *
 * @returns the function that lets go of the caller's own token
 */
export function offerRecall(
  request: Recallable,
  config: InternalAxiosRequestConfig,
  adapter: AxiosAdapter,
  ours: Partial<InternalAxiosRequestConfig>,
): () => void {
  const { token, cancel } = axios.CancelToken.source()
  const follow = (reason: { message?: string }) => cancel(reason.message)
  const callers = config.cancelToken as Subscribable | undefined
  callers?.subscribe(follow)
  const { onDownloadProgress } = config
  request.begun = false
  request.recall = cancel
  // The fetch adapter of axios 1.7.0 takes the token for a signal.
  ours.cancelToken = Object.assign(token, {
    addEventListener: (_: string, listener: () => void) =>
      (token as unknown as Subscribable).subscribe(listener),
  })
  // The fetch adapter would wrap the response for it, also one that cannot have a body.
  if (onDownloadProgress || adapter !== adapterOf('fetch', config)) {
    ours.onDownloadProgress = (event) => {
      request.begun = true
      onDownloadProgress?.(event)
    }
  }
  return () => callers?.unsubscribe(follow)
}

/**
 * Makes an error what it would be without a listener of ours: to see when an answer begins to arrive, Node's adapter lets it
 * through a pipe, which has a word of its own for one that breaks off.
 */
export function unpipe(outcome: unknown): void {
  if (outcome instanceof AxiosError && outcome.code === 'ECONNRESET' && outcome.message === 'aborted') {
    const { ERR_BAD_RESPONSE: code } = AxiosError
    Object.assign(outcome, { name: 'AxiosError', message: 'stream has been aborted', code })
    delete outcome.cause
  }
}
