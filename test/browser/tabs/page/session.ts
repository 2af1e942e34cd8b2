import {
  createSession,
  findSessionError,
  type Session,
  type SessionOptions,
  type SessionState,
} from 'refresh-once'
import { browserStore } from 'refresh-once/browser'
import { withSession } from 'refresh-once/fetch'
import type { TokenResponse } from 'refresh-once/testing'
import type { Lease, SessionStore, Stored } from '../../../../src/core/store.ts'
import { note, tell } from './connection.ts'

export interface Start {
  /** Where the authorization server and the API are. */
  server: string
  /** @default 'app' */
  name?: string
  persist?: 'memory' | 'disk'
  /** Of the store, in milliseconds. */
  lease?: number
  /** Whether the refresh may outlive its page. */
  keepalive?: boolean
  /** Whether the next turn of this page waits for `go` before it reserves; it tells `waiting` then. */
  waitBeforeBegin?: boolean
  /** Whether it asks with a token that nobody has given out, where it has none. */
  asksWithAny?: boolean
  /** Whether the test's journal says which refresh tokens were sent, and what was saved. */
  journal?: boolean
  session?: Pick<
    SessionOptions,
    'mode' | 'tokens' | 'deadline' | 'lease' | 'retries' | 'recall' | 'recallAfter'
  >
}

/** What became of one request. */
export type Answer = { status: number; user?: string; generation?: number } | { code: string }

let session: Session
let authFetch: typeof fetch
let server: string
let go = (): void => {}

/** What the test asks of the session in a page. */
export const sessionActions = {
  start({ name = 'app', persist, lease, keepalive = false, ...more }: Start): void {
    server = more.server
    const { journal = false, waitBeforeBegin = false, asksWithAny = false } = more
    const cookie = more.session?.mode === 'cookie'
    const store = browserStore({ name, ...(persist && { persist }), ...(lease && { lease }) })
    session = createSession({
      async refresh({ tokens, signal }) {
        signal.addEventListener('abort', () => tell({ type: 'given-up' }))
        const body = new URLSearchParams({ grant_type: 'refresh_token' })
        const token = tokens?.refreshToken ?? (asksWithAny && 'none')
        if (token) body.set('refresh_token', token)
        if (journal) await note({ what: 'sent', token: await fingerprint(tokens?.refreshToken ?? '') })
        const url = cookie ? `${server}/refresh?cookie` : `${server}/token`
        const credentials = cookie ? 'include' : 'omit'
        return fetch(url, { method: 'POST', credentials, signal, keepalive, ...(cookie ? {} : { body }) })
      },
      store: {
        ...store,
        ...(journal && { save: (next) => saveWithNote(store, next) }),
        ...(waitBeforeBegin && {
          exclusive: (work, signal) => store.exclusive((lease) => work(waitingLease(lease)), signal),
        }),
      },
      ...more.session,
    })
    session.observe(({ at, state, ...event }) => tell(event))
    authFetch = withSession(session, { origins: [server] })
  },

  /** Sends so many requests at once. */
  request: (count: number): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, (_, id) => ask(`/api/items?id=${id}`))),

  /** Resolves with how the refresh ended: the new generation, or the code of its error. */
  refresh: (): Promise<number | string> =>
    session.refresh().then(
      () => session.state.generation,
      (error) => String(findSessionError(error)?.code ?? error),
    ),

  /** Signs in, and sends requests in the same breath: they are of this user, or of nobody. */
  async signInAndRequest(tokens: TokenResponse, ids: readonly string[]): Promise<Answer[]> {
    const saved = session.signIn({ ...tokens })
    const answers = await Promise.all(ids.map((id) => ask(`/api/items?id=${id}`)))
    await saved
    return answers
  },

  /**
   * Resolves once nobody has a turn of the session `app`, and the browser knows it: a refresh has its answer before it gives
   * its turn back, and what a page gives back right before it is frozen may still count as its own.
   */
  async untilNoTurn(): Promise<void> {
    const turn = 'refresh-once:app'
    for (let looks = 0; looks < 100; looks++) {
      await navigator.locks.request(turn, () => {})
      const { held } = await navigator.locks.query()
      if (!held?.some(({ name }) => name === turn)) return
    }
    throw new Error('somebody always has a turn')
  },

  signIn: (tokens?: TokenResponse): Promise<void> => session.signIn(tokens && { ...tokens }),
  signOut: (): Promise<void> => session.signOut(),
  state: (): SessionState => session.state,
  accessToken: (): Promise<string> => session.getAccessToken(),
  close: (): void => session.close(),

  /** Resolves once the session knows of such a generation, or a later one. */
  untilGeneration: (generation: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (session.state.generation < generation) return
        stop()
        resolve()
      }
      const stop = session.observe(look)
      look()
    }),

  go: (): void => go(),

  /** Signs in with a password, by cookies. */
  async logIn(user: string): Promise<void> {
    const body = JSON.stringify({ user, password: 'secret' })
    const headers = { 'content-type': 'application/json' }
    const { ok } = await fetch(`${server}/login?cookie`, {
      method: 'POST',
      credentials: 'include',
      headers,
      body,
    })
    if (!ok) throw new Error('the login failed')
    await session.signIn()
  },
}

async function saveWithNote({ save }: SessionStore, next: Stored): Promise<Stored> {
  const saved = await save(next)
  if (next.tokens) void note({ what: 'saved' })
  return saved
}

function waitingLease(lease: Lease): Lease {
  return {
    ...lease,
    async begin() {
      const told = new Promise<void>((resolve) => {
        go = resolve
      })
      tell({ type: 'waiting' })
      await told
      return lease.begin()
    },
  }
}

async function ask(path: string): Promise<Answer> {
  try {
    const credentials = session.transport.mode === 'cookie' ? 'include' : 'omit'
    const response = await authFetch(server + path, { credentials })
    const { user, generation } = response.ok ? await response.json() : {}
    return { status: response.status, ...(user && { user, generation }) }
  } catch (error) {
    return { code: String(findSessionError(error)?.code ?? error) }
  }
}

/** As the server's log has it. */
async function fingerprint(token: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return Array.from(new Uint8Array(hash).slice(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
