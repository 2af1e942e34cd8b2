import { say } from '../core/messages.ts'
import type { SessionTransport } from '../core/session.ts'

/** What a single request may say about the session's care. */
export interface RequestSession {
  /** `false`: the caller gets the 401; the refresh takes place all the same. @default true where the body can be sent again */
  replay?: boolean
  /**
   * Whether it may be taken off the wire while it has a stale token and no answer. `false`: nor is it sent a second time then.
   * @default by method, see `SessionOptions.recall`
   */
  recall?: boolean
  /** Makes the body anew for each send, so that streams and form-data can be replayed. */
  body?: () => unknown
}

/**
 * Whether a request may be sent again after its 401, and whether it may be taken off the wire: one rule for all
 * clients. What can be read once is sent once.
 *
 * @param transport what the session does with requests that do the same executed once or twice (RFC 9110 §9.2.1)
 */
export function repeats(
  { replay, recall, body: make }: RequestSession,
  body: unknown,
  method: string,
  { recalls, races }: SessionTransport,
): { replayable: boolean; recallable: boolean; raceable: boolean } {
  const replayable = replay !== false && (Boolean(make) || !isOneShot(body))
  const safe = /^(GET|HEAD|OPTIONS)$/i.test(method)
  const recallable = replayable && (recall ?? (recalls && safe))
  const raceable = replayable && safe && races && !make && recall !== false
  return { replayable, recallable, raceable }
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

/** Lets go of a body that is not sent, or not read: a stream that is only left keeps its file or its connection. */
export function letGo(body: unknown, reason?: unknown): void {
  // A parsed body may have members of these names.
  const { on, cancel, destroy, return: end } = Object(body)
  // A file that cannot be read says so all the same.
  if (typeof on === 'function') on.call(body, 'error', () => {})
  if (typeof destroy === 'function') destroy.call(body)
  else if (typeof (cancel ?? end) === 'function')
    // One that is being read refuses, and is its reader's.
    Promise.resolve((cancel ?? end).call(body, reason)).catch(() => {})
}

/** A copy of a body that its owner may use again meanwhile. What cannot change is its own copy. */
export function copyOf(body: unknown): unknown {
  const { buffer = body, byteOffset = 0, byteLength, append, forEach, constructor: Kind } = Object(body)
  if (byteLength >= 0) return new Uint8Array(buffer, byteOffset, byteLength).slice().buffer
  if (typeof append !== 'function' || typeof forEach !== 'function') return body
  const copy = new Kind()
  forEach.call(body, (value: unknown, name: string) => copy.append(name, value))
  return copy
}
