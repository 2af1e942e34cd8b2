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
