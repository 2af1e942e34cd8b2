/**
 * What `awaited` brings, unless the signal aborts first: then its reason. What was awaited goes on, and nobody hears
 * of it.
 */
export function orAborted<T>(awaited: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    awaited.then(resolve, reject).then(() => signal.removeEventListener('abort', abort))
  })
}
