import { say } from '../core/messages.ts'
/** What a single request may say about the session's care. */
export interface RequestSession {
  /** `false`: the caller gets the 401; the refresh takes place all the same. @default true where the body can be sent again */
  replay?: boolean
  /** Whether it may be taken off the wire while it has a stale token and no answer. @default by method, see `SessionOptions.recall` */
  recall?: boolean
  /** Makes the body anew for each send, so that streams and form-data can be replayed. */
  body?: () => unknown
}

/** Whether a request does the same whether it is executed once or twice (RFC 9110 §9.2.1), and can be recalled. */
export function isSafe(method: string): boolean {
  return /^(GET|HEAD|OPTIONS)$/.test(method)
}

/**
 * Whether a body is gone once it has been sent: streams, iterators, and the form-data package, which is one.
 * FormData, Blob, URLSearchParams, buffers and strings can be sent again and again.
 */
export function isOneShot(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false
  const { pipe, getReader, next } = body as { pipe?: unknown; getReader?: unknown; next?: unknown }
  if (typeof (pipe ?? getReader ?? next) === 'function') return true
  // An async iterable of somebody's own may start anew each time, or not: nobody can tell.
  return Symbol.asyncIterator in body
}

/** A body from its factory. A promise of one would be sent as the words "[object Promise]". */
export function bodyFrom(make: () => unknown): unknown {
  const body = make()
  if ('then' in Object(body)) throw new TypeError(say('body'))
  return body
}
