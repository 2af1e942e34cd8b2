/** Lets somebody leave as soon as `signal` aborts, with its reason; returns the undoing. */
export function leaveWith(
  signal: AbortSignal | null | undefined,
  leave: (reason: unknown) => void,
): (() => void) | undefined {
  if (!signal) return undefined
  const abort = () => leave(signal.reason)
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
