import { createHash, randomBytes } from 'node:crypto'

/**
 * The names begin with `__Host-`: browsers take such a cookie only from this very host, over https (or from their own
 * machine), for all paths. A sibling domain cannot plant one.
 */
const SESSION = '__Host-session'
const SIGN_IN = '__Host-sign-in'

const ALWAYS = 'Path=/; Secure; HttpOnly'
const SIGN_IN_SECONDS = 600

/** 256 random bits: it means nothing, and nobody guesses it. */
export function newSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** Under which the session is kept: who can read the names in Redis still has nobody's cookie. */
export function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}

/** The key of the session that the browser has, if any. */
export function sessionKeyIn(request: Request): string | undefined {
  const id = read(request, SESSION)
  return id && /^[\w-]{43}$/.test(id) ? keyOf(id) : undefined
}

/** `Strict`: no request that another site has caused carries it, not even a link. It ends with the browser. */
export function sessionCookie(id: string): string {
  return `${SESSION}=${id}; ${ALWAYS}; SameSite=Strict`
}

export const noSessionCookie = `${SESSION}=; ${ALWAYS}; SameSite=Strict; Max-Age=0`

/** What must be remembered between the two halves of a sign-in. None of it is a token. */
export interface SignIn {
  state: string
  nonce: string
  /** The secret of PKCE. */
  verifier: string
  /** The key of the session that the browser had before. */
  former: string
}

/**
 * `Lax`: it has to come along when the authorization server sends the browser back. It lives in the browser, and not in
 * Redis, so that nobody fills that by beginning sign-ins.
 */
export function signInCookie({ state, nonce, verifier, former }: SignIn): string {
  const value = [state, nonce, verifier, former].join('.')
  return `${SIGN_IN}=${value}; ${ALWAYS}; SameSite=Lax; Max-Age=${SIGN_IN_SECONDS}`
}

export const noSignInCookie = `${SIGN_IN}=; ${ALWAYS}; SameSite=Lax; Max-Age=0`

export function signInOf(request: Request): SignIn | undefined {
  const [state, nonce, verifier, former] = read(request, SIGN_IN)?.split('.') ?? []
  return state && nonce && verifier ? { state, nonce, verifier, former: former ?? '' } : undefined
}

function read({ headers }: Request, name: string): string | undefined {
  const pairs = (headers.get('cookie') ?? '').split(/; */)
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}
