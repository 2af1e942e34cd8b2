import type { Conversation } from './conversation.ts'

/** A request that is about tokens, as a form (RFC 6749 §4) or, as most web apps have it, in JSON. */
export interface TokenRequest {
  readonly conversation: Conversation
  readonly fields: Readonly<Record<string, unknown>>
  /** From the body, or, but for `/token`, from the cookie. */
  readonly refreshToken: string | undefined
  /** The client wants the access token in an HttpOnly cookie, too, and not in the body. */
  readonly cookie: boolean
}

export async function readTokenRequest(conversation: Conversation): Promise<TokenRequest> {
  const fields = parse(conversation, await conversation.body())
  const fromCookie = conversation.path === '/token' ? undefined : conversation.cookie('refresh_token')
  return {
    conversation,
    fields,
    refreshToken: text(fields.refresh_token) ?? text(fromCookie),
    cookie:
      conversation.path !== '/token' &&
      (conversation.query.has('cookie') || fields.cookie === true || fields.cookie === 'true'),
  }
}

/** A parameter without a value counts as omitted (RFC 6749 §3.1). */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function parse({ request }: Conversation, body: Buffer): Record<string, unknown> {
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
