import type { IncomingMessage } from 'node:http'
import { challenge, describeToken, ownerOf, presentedToken, type TokenVerdict, verdictOn } from './bearer.ts'
import type { Answer, Conversation } from './conversation.ts'
import { matches } from './pattern.ts'
import type { RecognisedRequest } from './recognised.ts'
import type { ApiEntry, EffectEntry, Presented, RejectedEntry, ServerLog } from './server-log.ts'
import type { TokenLedger } from './token-ledger.ts'

/** A request that passed the guard. */
export interface ApiRequest {
  readonly request: IncomingMessage
  readonly query: URLSearchParams
  readonly body: Buffer
  /** Who the access token belongs to. */
  readonly user: string
  /** The family and the generation of the access token. */
  readonly family: string
  readonly generation: number
}

export type ApiHandler = (request: ApiRequest) => Answer | Promise<Answer>

/** A request to a guarded route as it came over the wire, tokens included. */
export interface ReceivedRequest {
  /** The `n` of its entry in the log. */
  readonly n: number
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface GuardedApi {
  /** Takes the request if it is for a guarded route, and logs it. */
  arrive(conversation: Conversation): RecognisedRequest | undefined
  add(path: string, handler: ApiHandler): void
  effects(id: string): number
}

export interface GuardedApiOptions {
  ledger: TokenLedger
  log: ServerLog
  /** Resolves when the request's path is not, or no longer, held. */
  held: (conversation: Conversation) => Promise<void>
  onRequest: (request: ReceivedRequest) => void
}

interface Route {
  /**
   * When the token is checked. `recognised`: at once, though the answer waits for the body and for the hold.
   * `early`: at once, and a 401 does not wait for the body. `late`: when the hold is over.
   * @default 'recognised'
   */
  readonly check?: 'recognised' | 'early' | 'late'
  /** The handler itself awaits the hold. */
  readonly holdsItself?: boolean
  readonly handle: (request: GuardedRequest) => Answer | Promise<Answer>
}

/** What the built-in routes know beyond what handlers of users get. */
interface GuardedRequest extends ApiRequest {
  readonly visit: Visit
  held(): Promise<void>
}

/** One request on its way through the guard. */
interface Visit {
  readonly conversation: Conversation
  readonly route: Route
  readonly entry: ApiEntry
  readonly token: string | undefined
  readonly presented: Presented
  body(): Promise<Buffer>
}

/** The resource server: routes that want an access token, and say so as RFC 6750 §3 has it. */
export function createGuardedApi({ ledger, log, held, onRequest }: GuardedApiOptions): GuardedApi {
  const effects = new Map<string, number>()
  const routes = new Map<string, Route>([
    ['/api/items', { handle: item }],
    ['/api/late', { handle: item, check: 'late' }],
    ['/api/echo', { handle: echoFor }],
    ['/api/early', { handle: echoFor, check: 'early' }],
    ['/api/effects', { handle: execute }],
    ['/api/effects-late', { handle: execute, check: 'late' }],
    ['/api/forbidden', { handle: () => INSUFFICIENT_SCOPE }],
    ['/api/never', { handle: ({ visit }) => reject(visit, 'never') }],
    ['/api/stream', { handle: stream, holdsItself: true }],
  ])

  function routeFor(path: string): Route | undefined {
    const code = /^\/api\/status\/([2-5]\d\d)$/.exec(path)?.[1]
    if (code !== undefined) return { handle: () => ({ status: Number(code) }) }
    const pattern = routes.has(path) ? path : [...routes.keys()].find((route) => matches(route, path))
    return pattern === undefined ? undefined : routes.get(pattern)
  }

  async function pass(visit: Visit): Promise<Answer> {
    const { conversation, route, token } = visit
    if (route.check === 'late') {
      await visit.body()
      await held(conversation)
      return carryOut(visit, verdictOn(ledger, token))
    }
    const verdict = verdictOn(ledger, token)
    if (!(route.check === 'early' && verdict.refused)) await visit.body()
    const answer = await carryOut(visit, verdict)
    if (verdict.refused || !route.holdsItself) await held(conversation)
    return answer
  }

  async function carryOut(visit: Visit, verdict: TokenVerdict): Promise<Answer> {
    if (verdict.refused) return reject(visit, verdict.refused)
    const { conversation, route } = visit
    const { request, query } = conversation
    const { family, generation } = verdict.issued
    const owner = { user: family.user, family: family.id, generation }
    const body = await visit.body()
    return route.handle({ request, query, body, ...owner, visit, held: () => held(conversation) })
  }

  function reject({ entry, presented }: Visit, reason: RejectedEntry['reason']): Answer {
    const { method, path, n } = entry
    const explanation = `401 for #${n}: ${WHY[reason]}`
    const request = { method, path, ...presented, request: n }
    log.append<RejectedEntry>({ kind: 'rejected', ...request, status: 401, reason, explanation })
    return challenge(reason)
  }

  function execute({ visit, query, user, family, generation }: GuardedRequest): Answer {
    const id = query.get('id') ?? ''
    const times = (effects.get(id) ?? 0) + 1
    effects.set(id, times)
    const { method, path, n } = visit.entry
    log.append<EffectEntry>({
      kind: 'effect',
      ...{ method, path, id, user, family, generation, request: n },
      explanation: `side effect '${id}' was executed for ${user} (#${n}); times so far: ${times}`,
    })
    return { body: { id, times, user } }
  }

  return {
    arrive(conversation) {
      const route = routeFor(conversation.path)
      if (!route) return undefined
      const { request, response, method, path, query } = conversation
      const token = presentedToken(conversation)
      const presented = ownerOf(ledger, token)
      const id = query.get('id')
      const entry = log.append<ApiEntry>({
        kind: 'api',
        method,
        path,
        ...(id === null ? {} : { id }),
        ...presented,
        explanation: `${method} ${path}${id === null ? '' : ` id ${id}`} with ${describeToken(ledger, token)}`,
      })
      response.once('close', () => {
        if (response.writableFinished) entry.status = response.statusCode
        else entry.aborted = true
        log.changed()
      })
      let body: Promise<Buffer> | undefined
      async function receive(): Promise<Buffer> {
        const received = await conversation.body()
        onRequest({ n: entry.n, method, url: request.url ?? '/', headers: request.headers, body: received })
        return received
      }
      const visit: Visit = { conversation, route, entry, token, presented, body: () => (body ??= receive()) }
      return { place: 'api', presented, handle: () => pass(visit), body: visit.body }
    },
    add(path, handler) {
      if (!path.startsWith('/')) {
        throw new TypeError(`api(path, handler): expected a path that starts with '/'; got '${path}'`)
      }
      routes.set(path, { handle: handler })
    },
    effects: (id) => effects.get(id) ?? 0,
  }
}

/** What a test wants to know of a request, its body byte for byte. */
export function echo(request: IncomingMessage, body: Buffer): Record<string, unknown> {
  const { method, url, headers } = request
  return { method, url, headers, bodyBase64: body.toString('base64'), bodyLength: body.length }
}

function echoFor({ request, body, user }: ApiRequest): Answer {
  return { body: { ...echo(request, body), user } }
}

function item({ query, user, generation }: ApiRequest): Answer {
  return { body: { id: query.get('id'), user, generation } }
}

function stream({ held }: GuardedRequest): Answer {
  async function* parts(): AsyncGenerator<string> {
    yield 'first\n'
    await held()
    yield 'rest\n'
  }
  return { headers: { 'content-type': 'text/plain' }, body: parts() }
}

const INSUFFICIENT_SCOPE: Answer = {
  status: 403,
  headers: { 'www-authenticate': 'Bearer realm="api", error="insufficient_scope", scope="admin"' },
  body: { error: 'insufficient_scope' },
}

const WHY: Record<RejectedEntry['reason'], string> = {
  none: 'no access token came',
  foreign: 'the access token was not issued here',
  expired: 'the access token has expired',
  revoked: 'the family of the access token is revoked',
  never: 'this route refuses every token',
}
