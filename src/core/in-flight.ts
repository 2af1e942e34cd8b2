/** A request on the wire that may be recalled. */
export interface Recallable {
  /** The generation it was sent with. */
  generation: number
  /** Whether the response has begun to arrive. */
  readonly begun: boolean
  /** Set when the session has taken it off the wire in order to send it again. */
  recalled: boolean
  /** Takes it off the wire. */
  recall(): void
}

/**
 * The requests on the wire that may be recalled: aborted, because their token is stale, in order to send
 * them again. A browser has six connections to a host; requests that are bound to fail must not occupy
 * the one that the refresh needs.
 */
export interface InFlight<R extends Recallable> {
  add(request: R): void
  remove(request: R): void
  /** Recalls what was sent with `generation` or an older one and has no answer yet. */
  recall(generation: number): void
}

export function createInFlight<R extends Recallable>(onRecall: (request: R) => void): InFlight<R> {
  const wire = new Set<R>()
  return {
    add: (request) => wire.add(request),
    remove: (request) => wire.delete(request),
    recall(generation) {
      for (const request of wire) {
        if (request.generation > generation || request.begun) continue
        wire.delete(request)
        request.recalled = true
        onRecall(request)
        request.recall()
      }
    },
  }
}
