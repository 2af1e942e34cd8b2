import type { SessionRequest } from './request.ts'
import { withoutQuery } from './url.ts'

/** How many endpoints are remembered. */
const REMEMBERED = 30

/** So many tokens, each good elsewhere, must have been refused. */
const PROOFS = 2

/**
 * Endpoints that refuse what others accept: no token cures that, and each poll of one would cost a refresh.
 *
 * It takes two tokens that were fetched for it, and that others were served with. Whatever it accepts takes that back.
 */
export class Stubborn {
  /** By sign-in, update, method and URL: the generations that were refused and are no proof yet, and the proofs. */
  #endpoints: Map<string, { first: number; last: number; proofs: number }> | undefined

  /** The request was served. Not always with the newest tokens: those that it is polled with may have come meanwhile. */
  accept(request: SessionRequest<unknown>): void {
    const endpoints = this.#endpoints
    if (!endpoints) return
    endpoints.delete(nameOf(request))
    for (const endpoint of endpoints.values()) {
      if (request.generation < endpoint.first || request.generation > endpoint.last) continue
      endpoint.first = Number.POSITIVE_INFINITY
      endpoint.proofs++
    }
  }

  /** The request was sent again with the newest tokens, which had been fetched for it, and was refused. */
  suspect(request: SessionRequest<unknown>): void {
    this.#endpoints ??= new Map()
    const endpoints = this.#endpoints
    const name = nameOf(request)
    const { generation } = request
    const { first = Number.POSITIVE_INFINITY, proofs = 0 } = endpoints.get(name) ?? {}
    // The one that was refused least recently is the first.
    endpoints.delete(name)
    endpoints.set(name, { first: Math.min(first, generation), last: generation, proofs })
    for (const oldest of endpoints.keys()) if (endpoints.size > REMEMBERED) endpoints.delete(oldest)
  }

  /** Whether it was refused although nothing was wrong with its tokens. */
  has(request: SessionRequest<unknown>): boolean {
    return Number(this.#endpoints?.get(nameOf(request))?.proofs) >= PROOFS
  }
}

function nameOf({ epoch, line, method, url }: SessionRequest<unknown>): string {
  return `${epoch} ${line} ${method} ${withoutQuery(url)}`
}
