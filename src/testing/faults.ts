import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Answer, Conversation, Route } from './conversation.ts'

/**
 * - `hang`: nothing happens, and nothing is answered, until `server.release()`; then all goes on as if the
 *   request had just arrived
 * - `slow`: handled on arrival (tokens are rotated, effects executed), answered at `server.release()`
 * - `500`, `503`: an error page as a reverse proxy would send it; `retryAfter` and `status` apply
 * - `429`: too many requests, with `Retry-After` (default: 1 second)
 * - `destroy-before`: the connection breaks before anything happened
 * - `destroy-after`: tokens are rotated, effects executed, then the connection breaks: the answer is lost
 * - `html-200`: a captive portal; `html-403`: a firewall; `html-400`: a bad deploy
 * - `invalid-grant`, `invalid-client`: OAuth errors (RFC 6749 §5.2)
 * - `json-truncated`: 200 with half of a JSON document
 * - `redirect`: 307 to `location`
 * - `custom`: what `respond` says
 */
export type FaultKind =
  | 'hang'
  | 'slow'
  | '500'
  | '503'
  | '429'
  | 'destroy-before'
  | 'destroy-after'
  | 'html-200'
  | 'html-403'
  | 'html-400'
  | 'invalid-grant'
  | 'invalid-client'
  | 'json-truncated'
  | 'redirect'
  | 'custom'

export interface FaultOptions {
  /**
   * How many requests misbehave. `Infinity`: all, until the fault is withdrawn.
   * @default 1
   */
  times?: number
  /**
   * Which requests: `'token'` (`/token` and `/refresh`), `'api'` (every guarded route), a path, or a path with its
   * exact query.
   * @default 'token'
   */
  on?: 'token' | 'api' | `/${string}`
  /** Value of the `Retry-After` header: seconds, or an HTTP date (RFC 9110 §10.2.3). */
  retryAfter?: string
  /** Replaces the status code of the kind. */
  status?: number
  /**
   * Where `redirect` leads.
   * @default 'http://127.0.0.1:9/elsewhere'
   */
  location?: string
  /** What `custom` answers: an answer, or a handler of your own that must end the response. */
  respond?: Answer | ((request: IncomingMessage, response: ServerResponse) => void)
  /**
   * Whether the request is handled before it misbehaves, so that the effect happens and the answer is lost.
   * Always true for `slow` and `destroy-after`.
   * @default false
   */
  after?: boolean
}

export interface Fault extends FaultOptions {
  readonly kind: FaultKind
  readonly after: boolean
}

export interface Faults {
  /** Queues a fault. Returns a function that withdraws what is left of it. */
  add(kind: FaultKind, options: FaultOptions): () => void
  /** The fault that this request is to suffer, oldest first. */
  take(place: Route, conversation: Conversation): Fault | undefined
}

export function createFaults(): Faults {
  const queue: { fault: Fault; left: number }[] = []

  const withdraw = (entry: (typeof queue)[number]): void => {
    const index = queue.indexOf(entry)
    if (index >= 0) queue.splice(index, 1)
  }

  return {
    add(kind, options) {
      if (kind === 'custom' && options.respond === undefined) {
        throw new TypeError("fault('custom', options): expected options.respond, an answer or a handler")
      }
      const after = kind === 'slow' || kind === 'destroy-after' || options.after === true
      const entry = { fault: { ...options, kind, after }, left: options.times ?? 1 }
      queue.push(entry)
      return () => withdraw(entry)
    },
    take(place, { path, request }) {
      const entry = queue.find(
        ({ fault: { on = 'token' } }) => on === place || on === path || on === request.url,
      )
      if (!entry) return undefined
      entry.left -= 1
      if (entry.left <= 0) withdraw(entry)
      return entry.fault
    },
  }
}

/** What the client sees of a fault that answers at all. `intended` is what it should have got, if it was handled. */
export async function sendFault(
  conversation: Conversation,
  fault: Fault,
  intended: Answer | undefined,
): Promise<void> {
  if (fault.kind === 'custom' && typeof fault.respond === 'function') {
    return fault.respond(conversation.request, conversation.response)
  }
  const answer = faultyAnswer(fault, intended)
  const headers = {
    ...answer.headers,
    ...(fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter }),
  }
  await conversation.send({ ...answer, status: fault.status ?? answer.status ?? 200, headers })
}

function faultyAnswer(fault: Fault, intended: Answer | undefined): Answer {
  switch (fault.kind) {
    case '500':
      return page(500, 'Internal Server Error')
    case '503':
      return page(503, 'Service Unavailable')
    case '429':
      return { status: 429, headers: { 'retry-after': '1' }, body: { error: 'too_many_requests' } }
    case 'html-200':
      return page(200, 'Welcome to the airport. Please accept our terms')
    case 'html-403':
      return page(403, 'Request blocked by the firewall')
    case 'html-400':
      return page(400, 'Bad Request')
    case 'invalid-grant':
      return { status: 400, body: { error: 'invalid_grant' } }
    case 'invalid-client':
      return {
        status: 401,
        headers: { 'www-authenticate': 'Basic realm="token"' },
        body: { error: 'invalid_client' },
      }
    case 'json-truncated': {
      const whole = JSON.stringify(intended?.body ?? { access_token: 'cut off', token_type: 'Bearer' })
      return { headers: { 'content-type': 'application/json' }, body: whole.slice(0, whole.length / 2) }
    }
    case 'redirect':
      return { status: 307, headers: { location: fault.location ?? 'http://127.0.0.1:9/elsewhere' } }
    default:
      return typeof fault.respond === 'object' ? fault.respond : {}
  }
}

function page(status: number, title: string): Answer {
  const body = `<!doctype html><title>${title}</title><h1>${title}</h1>\n`
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, body }
}
