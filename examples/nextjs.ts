import { createSession, memoryStore, type Session, SessionError, type SessionOptions } from 'refresh-once'
import { type SessionFetch, withSession } from 'refresh-once/fetch'

/** HttpOnly, so no script reads it. Its holder can: encrypt it where that matters. */
const COOKIE = 'visitor'
/** How long after its last request a visitor is forgotten: longer than any request is on its way. */
const IDLE = 60_000

interface Options {
  /** The origin of the API. */
  api: string
  refresh: SessionOptions['refresh']
}

interface Visitor {
  session: Session
  api: SessionFetch
  /** What is kept of the session, as JSON. */
  record(): string
  idle: NodeJS.Timeout
}

/** Sessions of visitors whose tokens are in a cookie of this site. One object for the whole process. */
export function createVisitors({ api: origin, refresh }: Options): Visitors {
  /** By cookie. A browser sends several requests with one cookie: they share a session, and so a refresh. */
  const visitors = new Map<string, Visitor>()

  function open(record: string): Visitor {
    const kept = new Map([[COOKIE, record]])
    const storage = {
      getItem: (key: string) => kept.get(key),
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    }
    const store = memoryStore({ storage, key: COOKIE })
    const session = createSession({ refresh, tokens: null, store })
    const idle = setTimeout(() => {
      session.close()
      for (const [cookie, known] of visitors) if (known === visitor) visitors.delete(cookie)
    }, IDLE).unref()
    const api = withSession(session, { origins: [origin] })
    const visitor = { session, api, idle, record: () => kept.get(COOKIE) || '{}' }
    return visitor
  }

  function visitorOf(cookie: string): Visitor {
    const visitor = visitors.get(cookie) ?? open(decode(cookie))
    visitors.set(cookie, visitor)
    visitor.idle.refresh()
    return visitor
  }

  /** What the cookie has to be from now on, where that is something else. */
  function renewed(cookie: string, visitor: Visitor): string | undefined {
    const record = visitor.record()
    const { tokens } = JSON.parse(record)
    if (!tokens) return ''
    if (tokens.accessToken === accessTokenIn(cookie)) return undefined
    const next = encode(record)
    visitors.set(next, visitor)
    return next
  }

  return {
    async middleware(request, next) {
      const headers = new Headers(request.headers)
      const cookie = readCookie(headers)
      if (!cookie) return next({ request: { headers } })
      const visitor = visitorOf(cookie)
      // Here, because the rendering cannot. Where it fails for now, the rendering meets the old token.
      await visitor.session.getAccessToken({ minValidity: 30_000 }).catch(() => {})
      const value = renewed(cookie, visitor)
      // The rendering reads it from the request, the browser from the response.
      if (value !== undefined) headers.set('cookie', withCookie(headers, value))
      return sendCookie(next({ request: { headers } }), value)
    },

    async handle(request, work) {
      const cookie = readCookie(request.headers)
      if (!cookie) return new Response(null, { status: 401 })
      const visitor = visitorOf(cookie)
      const answer = await work(visitor.api)
      // A copy: the headers of an answer of fetch cannot be changed.
      return sendCookie(new Response(answer.body, answer), renewed(cookie, visitor))
    },

    reader(cookie) {
      const session = createSession({
        tokens: { accessToken: accessTokenIn(cookie) },
        refresh: () => {
          throw new SessionError('refresh_failed', 'only middleware and route handlers can renew tokens')
        },
      })
      return withSession(session, { origins: [origin] })
    },

    async signIn(tokens, answer) {
      const visitor = open('')
      await visitor.session.signIn(tokens)
      return sendCookie(answer, encode(visitor.record()))
    },
  }
}

export interface Visitors {
  /** Renews tokens that would not last for the rendering. `next` is `NextResponse.next`. */
  middleware<T extends Response>(
    request: Request,
    next: (init: { request: { headers: Headers } }) => T,
  ): Promise<T>
  /** A route handler: it may renew tokens, since its response can set a cookie. */
  handle(request: Request, work: (api: SessionFetch) => Promise<Response>): Promise<Response>
  /** For Server Components, which cannot set cookies: it never spends the refresh token. A 401 is the page's. */
  reader(cookie: string): SessionFetch
  /** Adds the cookie of a new sign-in to an answer. */
  signIn(tokens: Parameters<Session['signIn']>[0], answer: Response): Promise<Response>
}

function encode(record: string): string {
  return Buffer.from(record).toString('base64url')
}

function decode(cookie: string): string {
  return Buffer.from(cookie, 'base64url').toString()
}

function accessTokenIn(cookie: string): string {
  return JSON.parse(decode(cookie)).tokens.accessToken
}

const COOKIES = new RegExp(`(^|; *)${COOKIE}=([^;]*)`)

function readCookie(headers: Headers): string | undefined {
  return COOKIES.exec(headers.get('cookie') ?? '')?.[2]
}

function withCookie(headers: Headers, value: string): string {
  return (headers.get('cookie') ?? '').replace(COOKIES, `$1${COOKIE}=${value}`)
}

/** Empty: the session is over, and the cookie goes. */
function sendCookie<T extends Response>(response: T, value: string | undefined): T {
  if (value !== undefined) {
    const age = value ? '' : '; Max-Age=0'
    response.headers.append('set-cookie', `${COOKIE}=${value}; Path=/; HttpOnly; Secure; SameSite=Lax${age}`)
  }
  return response
}
