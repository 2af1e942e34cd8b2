import type { SessionRequest } from './request.ts'
import type { Stored } from './store.ts'
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
  /** By sign-in, update, method and URL: what it was refused with last, while that is no proof, and the proofs. */
  #endpoints: Map<string, { refused: Stored | undefined; proofs: number }> | undefined
  /** Somebody was served with these. */
  #good: Stored | undefined

  /** @param record the newest tokens: the request was sent with these, and served */
  accept(request: SessionRequest<unknown>, record: Stored | undefined): void {
    this.#good = record
    this.#endpoints?.delete(nameOf(request))
    for (const endpoint of this.#endpoints?.values() ?? []) this.#prove(endpoint)
  }

  /** The request was sent again with the newest tokens, which had been fetched for it, and was refused. */
  suspect(request: SessionRequest<unknown>, record: Stored | undefined): void {
    this.#endpoints ??= new Map()
    const endpoints = this.#endpoints
    const name = nameOf(request)
    const endpoint = { proofs: 0, ...endpoints.get(name), refused: record }
    // The one that was refused least recently is the first.
    endpoints.delete(name)
    endpoints.set(name, endpoint)
    for (const oldest of endpoints.keys()) if (endpoints.size > REMEMBERED) endpoints.delete(oldest)
    this.#prove(endpoint)
  }

  /** Whether it was refused although nothing is wrong with the newest tokens. */
  has(request: SessionRequest<unknown>, record: Stored | undefined): boolean {
    return this.#good === record && Number(this.#endpoints?.get(nameOf(request))?.proofs) >= PROOFS
  }

  #prove(endpoint: { refused: Stored | undefined; proofs: number }): void {
    if (!endpoint.refused || endpoint.refused !== this.#good) return
    endpoint.refused = undefined
    endpoint.proofs++
  }
}

function nameOf({ epoch, line, method, url }: SessionRequest<unknown>): string {
  return `${epoch} ${line} ${method} ${withoutQuery(url)}`
}
