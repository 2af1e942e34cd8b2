import { say } from './messages.ts'

/**
 * Why a signal has aborted. Any value may be a reason (DOM, `AbortController.abort(reason)`), also a falsy one; where
 * there is none, as with older polyfills, it is an AbortError.
 */
export function reasonOf({ reason }: AbortSignal): unknown {
  return reason === undefined ? aborted() : reason
}

function aborted(): Error {
  return Object.assign(new Error(say('aborted')), { name: 'AbortError' })
}

/** As `signal.throwIfAborted()`, which polyfills do not have. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal)
}

/** What we need of an AbortController. */
export type Aborter = Pick<AbortController, 'signal' | 'abort'>

/** Of the runtime, and of no session: the class whose signals that class of requests takes. To find out costs a Request. */
let taken: unknown
let taker: unknown

/**
 * An AbortController whose signal the platform's fetch takes. Polyfills, and test environments with a DOM of their own
 * (jsdom), put another one in the place of the platform's, and Node refuses its signals. A stream has a signal of the
 * right kind.
 */
export function newController(): Aborter {
  const own = new AbortController()
  if (taken === AbortController && taker === Request) return own
  try {
    new Request('http://localhost', { signal: own.signal })
    // With one that has no reason, a fetch that takes any signal rejects with undefined.
    if ('reason' in own.signal) {
      taken = AbortController
      taker = Request
      return own
    }
  } catch {}
  return ofAStream() ?? own
}

function ofAStream(): Aborter | undefined {
  try {
    let signal: AbortSignal | undefined
    const stream = new WritableStream({
      start(controller) {
        signal = controller.signal
      },
    })
    return signal && { signal, abort: (reason = aborted()) => void stream.abort(reason) }
  } catch {
    return undefined
  }
}

/** Lets somebody leave as soon as `signal` aborts, with its reason; returns the undoing. */
export function leaveWith(
  signal: AbortSignal | null | undefined,
  leave: (reason: unknown) => void,
): (() => void) | undefined {
  if (!signal) return undefined
  const abort = () => leave(reasonOf(signal))
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  return () => signal.removeEventListener('abort', abort)
}

/**
 * What `awaited` brings, unless the signal aborts first: then its reason. What was awaited goes on, and nobody hears
 * of it.
 */
export function orAborted<T>(awaited: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const stay = leaveWith(signal, reject)
    awaited.then(resolve, reject).then(stay)
  })
}
