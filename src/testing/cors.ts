import type { Conversation } from './conversation.ts'

/**
 * Lets the page that asks read the answer, its cookies included: the origin is mirrored, since `*` does not
 * go with credentials (Fetch §3.3.5). Set before anything else, so that faults can be told apart in browsers.
 */
export function allowOrigin({ request, response }: Conversation, exposeChallenge: boolean): void {
  const { origin } = request.headers
  if (origin === undefined) return
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('access-control-allow-credentials', 'true')
  response.setHeader(
    'access-control-expose-headers',
    exposeChallenge ? 'WWW-Authenticate, Retry-After' : 'Retry-After',
  )
  response.setHeader('vary', 'Origin')
}

/** Answers a preflight: whatever the page wants to send, it may. */
export async function sendPreflight(conversation: Conversation): Promise<void> {
  const { 'access-control-request-method': method = 'GET', 'access-control-request-headers': wanted } =
    conversation.request.headers
  await conversation.send({
    status: 204,
    headers: {
      'access-control-allow-methods': method,
      ...(wanted === undefined ? {} : { 'access-control-allow-headers': wanted }),
      'access-control-max-age': '600',
    },
  })
}

export function isPreflight({ method, request }: Conversation): boolean {
  return method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
}
