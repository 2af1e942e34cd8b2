import type { Exchange } from './exchange.ts'

/** A request that is about tokens, as a form (RFC 6749 §4) or, as most web apps have it, in JSON. */
export interface TokenRequest {
  readonly exchange: Exchange
  readonly fields: Readonly<Record<string, unknown>>
  /** From the body, or, but for `/token`, from the cookie. */
  readonly refreshToken: string | undefined
  /** The client wants the access token in an HttpOnly cookie, too, and not in the body. */
  readonly cookie: boolean
}

export async function readTokenRequest(exchange: Exchange): Promise<TokenRequest> {
  const fields = parse(exchange, await exchange.body())
  const fromCookie = exchange.path === '/token' ? undefined : exchange.cookie('refresh_token')
  return {
    exchange,
    fields,
    refreshToken: text(fields.refresh_token) ?? text(fromCookie),
    cookie:
      exchange.path !== '/token' &&
      (exchange.query.has('cookie') || fields.cookie === true || fields.cookie === 'true'),
  }
}

/** A parameter without a value counts as omitted (RFC 6749 §3.1). */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parse({ request }: Exchange, body: Buffer): Record<string, unknown> {
  const source = body.toString()
  if (!request.headers['content-type']?.includes('json')) {
    return Object.fromEntries(new URLSearchParams(source))
  }
  try {
    const parsed: unknown = JSON.parse(source)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}
