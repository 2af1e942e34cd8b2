import { createSession, type Session, type SessionOptions } from 'refresh-once'

/** The token in a header of its own. */
export function withHeader(options: SessionOptions): Session {
  return createSession({
    ...options,
    applyToken: ({ accessToken }) => ({ headers: { 'X-Access-Token': accessToken } }),
  })
}

/** The token in the URL, for an API that wants it there. URLs end up in logs: a header is better. */
export function withQuery(options: SessionOptions): Session {
  return createSession({
    ...options,
    applyToken: ({ accessToken }) => ({ query: { access_token: accessToken } }),
  })
}

/** Several headers, from whatever the token set holds. */
export function withTenant(options: SessionOptions): Session {
  return createSession({
    ...options,
    applyToken: ({ accessToken, tenant }) => ({
      headers: { Authorization: `Bearer ${accessToken}`, 'X-Tenant': String(tenant) },
    }),
  })
}
