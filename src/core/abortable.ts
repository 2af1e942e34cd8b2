/**
 * Why a signal has aborted. Any value may be a reason (DOM, `AbortController.abort(reason)`), also a falsy one; where
 * there is none, as with older polyfills, it is an AbortError.
 */
function reasonOf({ reason }: AbortSignal): unknown {
  if (reason !== undefined) return reason
  return Object.assign(new Error('The operation was aborted'), { name: 'AbortError' })
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
