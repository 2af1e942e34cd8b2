import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Barrier, type BarrierKeeper, createBarrier } from './barrier.ts'
import type { Conversation, TrackedAnswer } from './conversation.ts'
import { allowOrigin, isPreflight, sendPreflight } from './cors.ts'
import { createFaults, type Fault, type FaultKind, type FaultOptions, sendFault } from './faults.ts'
import { type ApiHandler, createGuardedApi, echo, type ReceivedRequest } from './guarded-api.ts'
import { listenOnLoopback } from './loopback.ts'
import { matches } from './pattern.ts'
import type { RecognisedRequest } from './recognised.ts'
import {
  type ApiEntry,
  createServerLog,
  type FaultEntry,
  type LogEntry,
  type ServerCount,
  type SessionEntry,
} from './server-log.ts'
import { type TokenResponse, tokenResponse } from './token-answer.ts'
import { createTokenEndpoint } from './token-endpoint.ts'
import { createTokenLedger, type IssuedTokens } from './token-ledger.ts'

export interface AuthServerOptions {
  /**
   * How long an access token is good, in milliseconds.
   * @default 300_000
   */
  accessTokenLifetime?: number
  /**
   * What answers claim as `expires_in`, in seconds. `false`: they do not mention it.
   * @default what is left of the lifetime, rounded
   */
  expiresIn?: number | false
  /**
   * Whether a refresh is answered with a new refresh token that replaces the old one (RFC 9700 §4.14.2).
   * Without rotation the answer mentions no refresh token (RFC 6749 §6).
   * @default true
   */
  rotate?: boolean
  /**
   * Whether a refresh token that comes a second time revokes its whole family. Without it, the second use is
   * refused and the family lives on.
   * @default true
   */
  reuseDetection?: boolean
  /**
   * For how long, in milliseconds, the refresh token exchanged last is answered again, with the same tokens.
   * @default 0
   */
  grace?: number
  /**
   * Whether the API refuses access tokens that are older than their lifetime.
   * @default true
   */
  enforceExpiry?: boolean
  /**
   * The server's clock, in milliseconds since the epoch.
   * @default Date.now
   */
  now?: () => number
  /**
   * The password that `/login` accepts from everybody.
   * @default 'secret'
   */
  password?: string
  /**
   * Whether pages of other origins may call the server, with credentials.
   * @default true
   */
  cors?: boolean
  /**
   * Whether such pages may read `WWW-Authenticate`. Most servers forget to allow it.
   * @default true
   */
  exposeChallenge?: boolean
  /**
   * The longest request body that is read, in bytes. A longer one is answered 413.
   * @default 16 MiB
   */
  longestBody?: number
  /**
   * The port on the loopback interface. Zero: any that is free.
   * @default 0
   */
  port?: number
  /** Answers every path that the server does not know: the way to serve a page from the same origin. */
  fallback?: (request: IncomingMessage, response: ServerResponse) => void
  /** Sees every request to a guarded route whose body has arrived, as it came over the wire. */
  onRequest?: (request: ReceivedRequest) => void
}

export interface AuthServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Where a refresh token is exchanged as RFC 6749 §6 says. */
  readonly tokenEndpoint: string
  /** Everything that happened, in order. */
  readonly log: readonly LogEntry[]
  /** Of those, the requests that arrived at guarded routes. */
  readonly requests: readonly ApiEntry[]
  /** The log in numbers; it goes on counting. */
  readonly count: ServerCount
  /** Signs a user in without a request: the token response of a new family. */
  mint(user?: string): TokenResponse
  /**
   * Every access token issued so far, of this user or of all, is refused from now on. Clients cannot see it
   * coming; refresh tokens stay good.
   */
  expireAccessTokens(user?: string): void
  /** Ends the family of a token, or all families of a user: nothing of it is accepted any more. */
  revokeFamily(tokenOrUser: string): void
  /** The next requests misbehave. Returns a function that withdraws what is left of the fault. */
  fault(kind: FaultKind, options?: FaultOptions): () => void
  /** Lets the requests go on that a `hang` or `slow` fault keeps: the first `n`, or all. Later ones wait again. */
  release(n?: number): void
  /**
   * Keeps the answers of a path back until the gate releases them. What an answer says was decided on
   * arrival, but for the routes that check late.
   *
   * @param path a path, a path with its exact query, or all that is below one: `/trpc/*`
   */
  hold(path: string): Barrier
  /** Adds a guarded route, or replaces one: a path, or all that is below one: `/trpc/*`. */
  api(path: string, handler: ApiHandler): void
  /** How many times the side effect `id` was executed. */
  effects(id: string): number
  /** Resolves once the log holds `count` entries of a kind, or fulfils a predicate. Rejects if the server closes. */
  until(kind: LogEntry['kind'], count?: number): Promise<void>
  until(predicate: (log: readonly LogEntry[]) => boolean): Promise<void>
  /** The log for people, one line per entry. */
  explain(): string
  /** Ends every connection. What still waits on the server is forgotten. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * An authorization server and the API it guards, on a real socket, for tests.
 *
 * It is as strict as the strictest in the field: refresh tokens rotate, and one that comes a second time
 * revokes its family (RFC 9700 §4.14.2). It fails on demand in the ways real ones do, and its log says for
 * each reuse whether the client could have known better.
 *
 * Token routes (POST): `/token`; `/refresh`, `/login`, `/logout` with cookies (`?cookie` puts the access
 * token in one, too); `/revoke`.
 * Guarded routes: `/api/items?id=`, `/api/echo`, `/api/effects?id=`, `/api/stream`, `/api/status/:code`,
 * `/api/forbidden` (403 insufficient_scope), `/api/never` (401 for ever), `/api/early` (401 before the body
 * is read), `/api/late?id=` and `/api/effects-late?id=` (the token is checked when the hold is over).
 * Public: `/public/echo`.
 *
 * @example
 * const server = await createAuthServer({ accessTokenLifetime: 60_000 })
 * const tokens = server.mint('alice')
 * server.expireAccessTokens()
 * // … your client makes twenty requests …
 * assert.equal(server.count.refreshes, 1)
 * await server.close()
 */
export async function createAuthServer(options: AuthServerOptions = {}): Promise<AuthServer> {
  const { accessTokenLifetime = 300_000, now = Date.now } = options
  const { reuseDetection = true, grace = 0, rotate = true, enforceExpiry = true } = options
  const log = createServerLog(now)
  const ledger = createTokenLedger({ accessTokenLifetime, reuseDetection, grace, rotate, enforceExpiry, now })
  const faults = createFaults()
  let stalled = createBarrier()
  let holds: { path: string; gate: BarrierKeeper }[] = []

  async function held({ request, path }: Conversation): Promise<void> {
    holds = holds.filter(({ gate }) => !gate.open)
    for (const hold of holds) {
      if (hold.path === request.url || matches(hold.path, path)) await hold.gate.pass()
    }
  }

  function expiresIn({ issuedAt }: IssuedTokens): number | undefined {
    if (options.expiresIn !== undefined) return options.expiresIn === false ? undefined : options.expiresIn
    return Math.max(0, Math.round((issuedAt + accessTokenLifetime - now()) / 1000))
  }

  const arriveForTokens = createTokenEndpoint({
    ledger,
    log,
    expiresIn,
    password: options.password ?? 'secret',
  })
  const api = createGuardedApi({ ledger, log, held, onRequest: options.onRequest ?? (() => {}) })

  async function serve(conversation: Conversation): Promise<void> {
    if (options.cors ?? true) {
      allowOrigin(conversation, options.exposeChallenge ?? true)
      if (isPreflight(conversation)) return sendPreflight(conversation)
    }
    const recognised =
      api.arrive(conversation) ?? (await arriveForTokens(conversation)) ?? publicRequest(conversation)
    const fault = faults.take(recognised?.place ?? 'other', conversation)
    if (fault) return misbehave(conversation, recognised ?? NOT_FOUND, fault)
    if (!recognised && options.fallback) return options.fallback(conversation.request, conversation.response)
    await conversation.send(await handle(conversation, recognised ?? NOT_FOUND))
  }

  /** The API waits for a hold by itself: it depends on the route whether the decision comes before or after. */
  async function handle(conversation: Conversation, recognised: RecognisedRequest): Promise<TrackedAnswer> {
    const answer = await recognised.handle()
    if (recognised.place !== 'api') await held(conversation)
    return answer
  }

  async function misbehave(
    conversation: Conversation,
    recognised: RecognisedRequest,
    fault: Fault,
  ): Promise<void> {
    const { method, path } = conversation
    const explanation = `${method} ${path} suffers ${fault.kind}${fault.after ? ', after it was handled' : ''}`
    log.append<FaultEntry>({
      kind: 'fault',
      method,
      path,
      fault: fault.kind,
      ...recognised.presented,
      explanation,
    })
    // A release that comes while the request is being handled is meant for it, too.
    const gate = stalled
    if (fault.kind === 'hang') {
      await gate.pass()
      return conversation.send(await handle(conversation, recognised))
    }
    const intended = fault.after ? await handle(conversation, recognised) : undefined
    if (fault.kind === 'slow' && intended) {
      await gate.pass()
      return conversation.send(intended)
    }
    intended?.settled?.(`fault ${fault.kind}`)
    if (fault.kind === 'destroy-before' || fault.kind === 'destroy-after') return conversation.destroy()
    await (recognised.body ?? conversation.body)()
    await sendFault(conversation, fault, intended)
  }

  const { url, close: stopListening } = await listenOnLoopback({
    port: options.port ?? 0,
    longestBody: options.longestBody ?? 16 * 2 ** 20,
    serve,
  })

  let closing: Promise<void> | undefined
  function close(): Promise<void> {
    if (closing) return closing
    const reason = new Error('the auth server was closed')
    for (const { close } of [log, stalled, ...holds.map(({ gate }) => gate)]) close(reason)
    closing = stopListening()
    return closing
  }

  function note(kind: SessionEntry['kind'], explanation: string, fields: Partial<SessionEntry>): void {
    log.append<SessionEntry>({ kind, ...fields, explanation })
  }

  return {
    url,
    tokenEndpoint: `${url}/token`,
    log: log.entries,
    get requests() {
      return log.entries.filter((entry): entry is ApiEntry => entry.kind === 'api')
    },
    count: log.count,
    mint(user = 'alice') {
      const issued = ledger.start(user)
      note('login', `family ${issued.family.id} was minted for ${user}`, { user, family: issued.family.id })
      return tokenResponse(issued, expiresIn(issued))
    },
    expireAccessTokens(user) {
      ledger.expireAccessTokens(user)
      note(
        'expired',
        `every access token of ${user ?? 'everybody'} so far is refused from now on`,
        user === undefined ? {} : { user },
      )
    },
    revokeFamily(tokenOrUser) {
      const issued = ledger.find(tokenOrUser)
      const families = issued ? [issued.family] : ledger.families(tokenOrUser)
      if (families.length === 0) {
        throw new TypeError(
          'revokeFamily(tokenOrUser): expected a token of this server, or a user who has signed in',
        )
      }
      for (const family of families) {
        family.revoked ??= 'revoked by the test'
        note('revoked', `family ${family.id} of ${family.user} is revoked`, {
          user: family.user,
          family: family.id,
        })
      }
    },
    fault: (kind, options = {}) => faults.add(kind, options),
    release(n) {
      stalled.release(n)
      if (stalled.open) stalled = createBarrier()
    },
    hold(path) {
      const gate = createBarrier()
      holds.push({ path, gate })
      return gate
    },
    api: api.add,
    effects: api.effects,
    until: (condition: LogEntry['kind'] | ((log: readonly LogEntry[]) => boolean), count?: number) =>
      log.until(condition, count),
    explain: log.explain,
    close,
    [Symbol.asyncDispose]: close,
  }
}

const NOT_FOUND: RecognisedRequest = {
  place: 'other',
  presented: {},
  handle: () => ({ status: 404, body: { error: 'not_found' } }),
}

/** The one route that asks for nothing: it shows what a client sends to where no token belongs. */
function publicRequest(conversation: Conversation): RecognisedRequest | undefined {
  if (conversation.path !== '/public/echo') return undefined
  return {
    place: 'other',
    presented: {},
    handle: async () => ({ body: echo(conversation.request, await conversation.body()) }),
  }
}
