import { createSession, memoryStore, type Session, SessionError, type SessionOptions } from 'refresh-once'
import { type SessionFetch, withSession } from 'refresh-once/fetch'

/** HttpOnly, so no script reads it. By its prefix a browser takes it from this host alone, for all of it. */
const COOKIE = '__Host-visitor'
const ATTRIBUTES = { path: '/', httpOnly: true, secure: true, sameSite: 'lax' } as const
/** How long after its last request a visitor is forgotten: longer than any request is on its way. */
const IDLE = 60_000

interface Options {
  /** The origin of the API. */
  api: string
  refresh: SessionOptions['refresh']
  /** What the cookie is encrypted with, the same for all processes: 32 random bytes, as text. */
  secret: string
}

interface Visitor {
  session: Session
  api: SessionFetch
  /** What is kept of the session, as JSON. */
  record(): string
  /** The tokens that the newest cookie holds, as JSON, and that cookie. */
  sealed: string | undefined
  cookie: Promise<string>
}

/**
 * Sessions of visitors whose tokens are in a cookie of this site. One object for the whole process. It needs nothing but
 * what Node and the Edge runtime have in common.
 */
export function createVisitors({ api: origin, refresh, secret }: Options): Visitors {
  const box = createBox(secret)
  /** By cookie, the one that was used last at the end. Requests with one cookie share a session, and so a refresh. */
  const visitors = new Map<string, { visitor: Visitor; at: number }>()

  function open(record: string, cookie: string): Visitor {
    const kept = new Map(record ? [[COOKIE, record]] : [])
    const storage = {
      getItem: (key: string) => kept.get(key),
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    }
    const store = memoryStore({ storage, key: COOKIE })
    const session = createSession({ refresh, tokens: null, store })
    const api = withSession(session, { origins: [origin] })
    const recordNow = () => kept.get(COOKIE) || '{}'
    return { session, api, record: recordNow, sealed: tokensIn(recordNow()), cookie: Promise.resolve(cookie) }
  }

  function keep(cookie: string, visitor: Visitor): void {
    const at = Date.now()
    visitors.delete(cookie)
    visitors.set(cookie, { visitor, at })
    for (const [other, known] of visitors) {
      if (at - known.at < IDLE) break
      visitors.delete(other)
    }
  }

  /** Undefined where the cookie is none of ours: empty, cut off, of another secret, made up. */
  async function visitorOf(cookie: string): Promise<Visitor | undefined> {
    const record = visitors.has(cookie) ? '' : await box.open(cookie)
    if (record === undefined) return undefined
    // Another request with this cookie may have come first while it was opened.
    const visitor = visitors.get(cookie)?.visitor ?? open(record, cookie)
    keep(cookie, visitor)
    return visitor
  }

  /** The first cookie of a request that is ours. */
  async function find(headers: Headers): Promise<{ cookie: string; visitor: Visitor } | undefined> {
    for (const cookie of cookiesIn(headers)) {
      const visitor = await visitorOf(cookie)
      if (visitor) return { cookie, visitor }
    }
    return undefined
  }

  /** What the cookie has to be from now on, where that is something else; empty where the session is over. */
  async function renewed(cookie: string, visitor: Visitor): Promise<string | undefined> {
    const record = visitor.record()
    const tokens = tokensIn(record)
    if (!tokens) return ''
    if (tokens !== visitor.sealed) {
      visitor.sealed = tokens
      visitor.cookie = box.close(record)
    }
    const next = await visitor.cookie
    if (next === cookie) return undefined
    keep(next, visitor)
    return next
  }

  async function visit(headers: Headers): Promise<Visit> {
    const found = await find(headers)
    if (!found) {
      // What is none of ours goes.
      const strange = cookiesIn(headers).length > 0
      return { api: open('', '').api, setCookie: async () => (strange ? textOf('') : undefined) }
    }
    const { cookie, visitor } = found
    // Now, because what is streamed later cannot set a cookie any more. Where it fails for now, it meets the old token.
    await visitor.session.getAccessToken({ minValidity: 30_000 }).catch(() => {})
    return {
      api: visitor.api,
      async setCookie(already = []) {
        // The answer of a sign-in is not taken back.
        if (already.some(isOurs)) return undefined
        const value = await renewed(cookie, visitor)
        return value === undefined ? undefined : textOf(value)
      },
    }
  }

  return {
    visit,

    async serve(request, work) {
      const { api, setCookie } = await visit(request.headers)
      const answer = await work(api)
      const cookie = await setCookie(answer.headers.getSetCookie())
      if (cookie === undefined) return answer
      // A copy: the headers of some answers cannot be changed.
      const copy = new Response(answer.body, answer)
      copy.headers.append('set-cookie', cookie)
      return copy
    },

    async middleware(request, next) {
      const headers = new Headers(request.headers)
      const found = await find(headers)
      if (!found) {
        // What is none of ours does not get to the rendering, and goes.
        const value = setCookie(headers, undefined) ? '' : undefined
        return sendCookie(next({ request: { headers } }), value)
      }
      const { cookie, visitor } = found
      // Here, because the rendering cannot. Where it fails for now, the rendering meets the old token.
      await visitor.session.getAccessToken({ minValidity: 30_000 }).catch(() => {})
      const value = await renewed(cookie, visitor)
      // The rendering reads it from the request, the browser from the response.
      setCookie(headers, value ?? cookie)
      return sendCookie(next({ request: { headers } }), value)
    },

    async handle(request, work) {
      const found = await find(request.headers)
      if (!found) return new Response(null, { status: 401 })
      const { cookie, visitor } = found
      const answer = await work(visitor.api)
      // A copy: the headers of an answer of fetch cannot be changed.
      return sendCookie(new Response(answer.body, answer), await renewed(cookie, visitor))
    },

    async act(jar, work) {
      const cookie = jar.get(COOKIE)?.value ?? ''
      const visitor = (await visitorOf(cookie)) ?? open('', '')
      try {
        return await work(visitor.api)
      } finally {
        // Also where the action ends by a redirect, which is thrown.
        const value = cookie && (await renewed(cookie, visitor))
        if (value) jar.set(COOKIE, value, ATTRIBUTES)
        else if (value === '' && cookie) jar.set(COOKIE, '', { ...ATTRIBUTES, maxAge: 0 })
      }
    },

    async reader(jar) {
      const record = await box.open(jar.get(COOKIE)?.value ?? '')
      const session = createSession({
        tokens: record ? { accessToken: JSON.parse(record).tokens.accessToken } : null,
        refresh: () => {
          throw new SessionError(
            'refresh_failed',
            'only middleware, route handlers and actions can renew tokens',
          )
        },
      })
      return withSession(session, { origins: [origin] })
    },

    async signIn(tokens, answer) {
      const visitor = open('', '')
      await visitor.session.signIn(tokens)
      return sendCookie(answer, await box.close(visitor.record()))
    },

    async signOut(request, answer) {
      const found = await find(request.headers)
      // Requests that are on their way with this cookie get nothing more.
      await found?.visitor.session.signOut()
      return sendCookie(answer, '')
    },
  }
}

/** What `cookies()` of Next.js resolves with, as far as it is used here. */
interface Jar {
  get(name: string): { value: string } | undefined
}
interface WritableJar extends Jar {
  set(name: string, value: string, attributes: object): unknown
}

interface Visit {
  /** A guarded fetch: that of the visitor, or of nobody. It may renew tokens. */
  api: SessionFetch
  /** What the answer has to say in `Set-Cookie`, if anything; asked last. `already`: what it says there. */
  setCookie(already?: readonly string[]): Promise<string | undefined>
}

export interface Visitors {
  /** For frameworks with a hook before the answer and one after it: Nuxt. */
  visit(headers: Headers): Promise<Visit>
  /** For frameworks whose hook is around the answer: SvelteKit, React Router. */
  serve(request: Request, work: (api: SessionFetch) => Response | Promise<Response>): Promise<Response>
  /** Renews tokens that would not last for the rendering. `next` is `NextResponse.next`. */
  middleware<T extends Response>(
    request: Request,
    next: (init: { request: { headers: Headers } }) => T,
  ): Promise<T>
  /** A route handler: it may renew tokens, since its response can set a cookie. */
  handle(request: Request, work: (api: SessionFetch) => Promise<Response>): Promise<Response>
  /** A server action, with `await cookies()`: it may renew tokens, too. Where nobody is signed in, it sends no token. */
  act<T>(jar: WritableJar, work: (api: SessionFetch) => Promise<T>): Promise<T>
  /**
   * For Server Components, with `await cookies()`. They cannot set cookies: it never spends the refresh token. A 401 is the
   * page's. Where nobody is signed in, it sends no token.
   */
  reader(jar: Jar): Promise<SessionFetch>
  /** Adds the cookie of a new sign-in to an answer. */
  signIn(tokens: Parameters<Session['signIn']>[0], answer: Response): Promise<Response>
  /** Ends the session of a request, and takes the cookie back with the answer. */
  signOut(request: Request, answer: Response): Promise<Response>
}

/** The tokens of a record, as JSON. */
function tokensIn(record: string): string | undefined {
  return JSON.stringify(JSON.parse(record).tokens)
}

interface Box {
  close(record: string): Promise<string>
  open(cookie: string): Promise<string | undefined>
}

/** Encrypts with AES-GCM: what was not closed with this secret does not open. */
function createBox(secret: string): Box {
  if (!(secret?.length >= 32))
    throw new TypeError('createVisitors: expected a secret of 32 characters or more')
  let key: Promise<CryptoKey> | undefined
  const keyOf = async (): Promise<CryptoKey> => {
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))
    return crypto.subtle.importKey('raw', hash, 'AES-GCM', false, ['encrypt', 'decrypt'])
  }
  return {
    async close(record) {
      key ??= keyOf()
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const text = new TextEncoder().encode(record)
      const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, await key, text)
      const bytes = [...iv, ...new Uint8Array(sealed)]
      return btoa(String.fromCharCode(...bytes))
        .replaceAll('+', '-')
        .replaceAll('/', '_')
        .replace(/=+$/, '')
    },
    async open(cookie) {
      if (!cookie) return undefined
      try {
        key ??= keyOf()
        const bytes = Uint8Array.from(atob(cookie.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
          character.charCodeAt(0),
        )
        const [iv, sealed] = [bytes.slice(0, 12), bytes.slice(12)]
        const text = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, await key, sealed)
        return new TextDecoder().decode(text)
      } catch {
        return undefined
      }
    },
  }
}

/** Each `name=value` of the header. */
function pairsIn(headers: Headers): string[] {
  const pairs = (headers.get('cookie') ?? '').split(';')
  return pairs.map((pair) => pair.trim()).filter(Boolean)
}

const isOurs = (pair: string): boolean => pair.startsWith(`${COOKIE}=`)

function cookiesIn(headers: Headers): string[] {
  return pairsIn(headers)
    .filter(isOurs)
    .map((pair) => pair.slice(COOKIE.length + 1))
}

/** Leaves this cookie in the header, or none. Returns whether there was one. */
function setCookie(headers: Headers, value: string | undefined): boolean {
  const pairs = pairsIn(headers)
  const others = pairs.filter((pair) => !isOurs(pair))
  if (value) others.push(`${COOKIE}=${value}`)
  headers.set('cookie', others.join('; '))
  return pairs.some(isOurs)
}

/** Empty: the session is over, and the cookie goes. */
function sendCookie<T extends Response>(response: T, value: string | undefined): T {
  if (value !== undefined) response.headers.append('set-cookie', textOf(value))
  return response
}

function textOf(value: string): string {
  return `${COOKIE}=${value}; Path=/; HttpOnly; Secure; SameSite=Lax${value ? '' : '; Max-Age=0'}`
}
