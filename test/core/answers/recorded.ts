/**
 * What clients have thrown, and returned, that are too large to install for a test: member by member, as a run against
 * a server with these answers has shown it.
 */
import type { Verdict } from './server.ts'

interface Recorded {
  client: string
  when: string
  /** What was thrown or returned. */
  source: unknown
  verdict: Verdict
  /** How long the server asked for patience, in milliseconds. */
  patience: number
}

const URL = 'https://api.test/auth/refresh'
const PAGE = '<html><body>Request blocked</body></html>'

const withCause = (error: Error, cause: object) => Object.assign(error, { cause })
const refused = () =>
  withCause(
    new TypeError('fetch failed'),
    Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
  )

/** As Angular has it: no Error, and without a stack. */
class HttpErrorResponse {
  readonly name = 'HttpErrorResponse'
  readonly ok = false
  readonly url = URL
  readonly headers: { get(name: string): string | null }
  readonly status: number
  readonly statusText: string
  readonly message: string
  readonly error: unknown

  constructor(status: number, statusText: string, error: unknown, retryAfter: string | null = null) {
    this.headers = { get: (name) => (/^retry-after$/i.test(name) ? retryAfter : null) }
    this.status = status
    this.statusText = statusText
    this.message =
      status === 200
        ? `Http failure during parsing for ${URL}`
        : `Http failure response for ${URL}: ${status} ${statusText}`
    this.error = error
  }
}

class FirebaseError extends Error {
  override readonly name = 'FirebaseError'
  readonly code: string
  readonly customData: object

  constructor(code: string, customData: object = {}) {
    super(`Firebase: Error (auth/${code}).`)
    this.code = `auth/${code}`
    this.customData = customData
  }
}

class TokenError extends Error {
  readonly code: string
  readonly info = undefined
  readonly description: string | undefined
  readonly params: object

  constructor(error: string, message = 'An unknown error occurred') {
    super(message)
    this.code = error
    this.description = undefined
    this.params = { error }
  }
}

/** Which it is given for any JSON that has no `error`, whatever the status. */
class TokenResponse {
  readonly accessToken: unknown
  readonly tokenType = 'bearer'
  readonly issuedAt = 1_790_000_000
  readonly rawResponse: object

  constructor(response: { access_token?: string; message?: string }) {
    this.accessToken = response.access_token
    this.rawResponse = response
  }
}

const ANGULAR = 'Angular 20.3, HttpClient'
const EXPO = 'expo-auth-session 57.0, refreshAsync'
const FIREBASE = '@firebase/auth 1.13, getIdToken(true)'

type Row = [client: string, when: string, thrown: unknown, verdict: Verdict, patience?: number]

const angular = (when: string, thrown: unknown, verdict: Verdict, patience = 0): Row[] => [
  [ANGULAR, when, thrown, verdict, patience],
  [ANGULAR, `${when}, wrapped`, new Error('refresh failed', { cause: thrown }), verdict, patience],
]

const THROWN_ROWS: Row[] = [
  ...angular(
    'invalid_grant',
    new HttpErrorResponse(400, 'Bad Request', {
      error: 'invalid_grant',
      error_description: 'it was revoked',
    }),
    'rejected',
  ),
  ...angular('401 without a body', new HttpErrorResponse(401, 'Unauthorized', null), 'rejected'),
  ...angular('403, a page', new HttpErrorResponse(403, 'Forbidden', PAGE), 'definite'),
  ...angular(
    '429',
    new HttpErrorResponse(429, 'Too Many Requests', { message: 'slow' }, '17'),
    'definite',
    17_000,
  ),
  ...angular('500', new HttpErrorResponse(500, 'Internal Server Error', { message: 'broken' }), 'doubt'),
  ...angular(
    '503, a page',
    new HttpErrorResponse(503, 'Service Unavailable', PAGE, '17'),
    'definite',
    17_000,
  ),
  ...angular(
    '200, a page, by fetch',
    new HttpErrorResponse(
      200,
      'OK',
      new SyntaxError(`Unexpected token '<', "<html><bod"... is not valid JSON`),
    ),
    'final',
  ),
  ...angular(
    '200, a page, by XHR',
    new HttpErrorResponse(200, 'OK', {
      error: new SyntaxError('JSON.parse: unexpected character'),
      text: PAGE,
    }),
    'final',
  ),
  ...angular(
    'an answer cut off',
    new HttpErrorResponse(0, 'Unknown Error', new TypeError('terminated')),
    'doubt',
  ),
  ...angular(
    'a timeout of its own',
    new HttpErrorResponse(0, 'Unknown Error', new DOMException('signal timed out', 'TimeoutError')),
    'doubt',
  ),
  ...angular('no server, by fetch', new HttpErrorResponse(0, 'Unknown Error', refused()), 'definite'),
  // A ProgressEvent does not tell why.
  ...angular('no server, by XHR', new HttpErrorResponse(0, 'Unknown Error', { isTrusted: true }), 'doubt'),

  [FIREBASE, 'TOKEN_EXPIRED, USER_NOT_FOUND', new FirebaseError('user-token-expired'), 'rejected'],
  [FIREBASE, 'USER_DISABLED', new FirebaseError('user-disabled'), 'rejected'],
  [FIREBASE, 'INVALID_REFRESH_TOKEN', new FirebaseError('invalid-refresh-token'), 'rejected'],
  [FIREBASE, 'INVALID_ID_TOKEN', new FirebaseError('invalid-user-token'), 'rejected'],
  [FIREBASE, 'INVALID_GRANT_TYPE', new FirebaseError('invalid-grant-type'), 'final'],
  [
    FIREBASE,
    'a wrong API key',
    new FirebaseError('api-key-not-valid.-please-pass-a-valid-api-key.'),
    'final',
  ],
  [FIREBASE, 'App Check', new FirebaseError('firebase-app-check-token-is-invalid.'), 'final'],
  [FIREBASE, 'TOO_MANY_ATTEMPTS_TRY_LATER', new FirebaseError('too-many-requests'), 'definite'],
  [FIREBASE, 'QUOTA_EXCEEDED', new FirebaseError('quota-exceeded'), 'definite'],
  [FIREBASE, '503', new FirebaseError('the-service-is-currently-unavailable.'), 'definite'],
  [FIREBASE, '500', new FirebaseError('internal-error-encountered.'), 'doubt'],
  [
    FIREBASE,
    'a page, or no server',
    new FirebaseError('network-request-failed', { message: 'TypeError: Failed to fetch' }),
    'doubt',
  ],

  [
    EXPO,
    'invalid_grant',
    new TokenError(
      'invalid_grant',
      'The provided authorization grant (e.g., authorization code) or refresh token is invalid, expired, revoked.',
    ),
    'rejected',
  ],
  [EXPO, 'invalid_client', new TokenError('invalid_client', 'Client authentication failed.'), 'final'],
  [EXPO, 'server_error', new TokenError('server_error'), 'doubt'],
  [EXPO, '500, as Fastify says it', new TokenError('Internal Server Error'), 'doubt'],
  [EXPO, 'temporarily_unavailable', new TokenError('temporarily_unavailable'), 'definite'],
  [EXPO, 'a page', new SyntaxError(`Unexpected token '<', "<html><bod"... is not valid JSON`), 'final'],
  [EXPO, 'no server', refused(), 'definite'],

  [
    'bent 7.3',
    '404',
    Object.assign(new Error('Not Found'), {
      name: 'StatusError',
      statusCode: 404,
      headers: {},
      text: async () => '{"message":"Not Found"}',
    }),
    'final',
  ],
  // As its documentation has it: there is no server that it could be asked to run against.
  ['wx.request', 'a connection that breaks', { errMsg: 'request:fail' }, 'doubt'],
  ['wx.request', 'no network', { errMsg: 'request:fail net::ERR_INTERNET_DISCONNECTED' }, 'definite'],
]

const RETURNED_ROWS: Row[] = [
  [EXPO, 'tokens', new TokenResponse({ access_token: 'a.b.c' }), 'tokens'],
  [EXPO, '401 in JSON', new TokenResponse({ message: 'Unauthorized' }), 'rejected'],
  [EXPO, '429 in JSON', new TokenResponse({ message: 'slow down' }), 'definite'],
  [EXPO, 'JSON without a token', new TokenResponse({}), 'final'],
  // As RxJS hands on what `catchError` was told to.
  [ANGULAR, 'no server, by XHR', new HttpErrorResponse(0, 'Unknown Error', { isTrusted: true }), 'doubt'],
]

const rows = (some: Row[]): Recorded[] =>
  some.map(([client, when, source, verdict, patience = 0]) => ({ client, when, source, verdict, patience }))

export const THROWN: Recorded[] = rows(THROWN_ROWS)
export const RETURNED: Recorded[] = rows(RETURNED_ROWS)
