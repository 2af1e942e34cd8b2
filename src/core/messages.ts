const ALONE = 'tabs may refresh at the same time'

/** Which option of a grant an error of the server is about. */
const SETTINGS: Readonly<Record<string, string>> = {
  invalid_client: 'clientId and clientAuth',
  invalid_scope: 'scope',
  invalid_target: 'resource',
  invalid_request: 'parameters',
  unauthorized_client: 'clientId: this client may not do it',
  unsupported_grant_type: 'issuer: this server cannot do it',
}

/** What was there instead of an access token. */
const GOT: Readonly<Record<string, string>> = {
  nothing: 'nothing: is a return missing?',
  blank: 'an empty string',
  string: 'a text that is none: is it JSON, or does it begin with a scheme?',
}

/**
 * What errors and `degraded` events say, by code. The build for production says the code and the arguments instead:
 * see messages.production.ts. docs/errors.md lists them.
 */
export const messages = {
  // Why a session could not serve a request
  failed: (reason: string): string => `no new access token: ${reason}`,
  late: (): string => 'the lease was nearly over',
  paused: (): string => 'the last refresh failed',
  pending: (): string => 'another context is refreshing',
  unanswered: (): string => 'not answered before the lease ended',
  lease: (): string => 'the lease has ended',
  aborted: (): string => 'The operation was aborted',
  answer: (what: string): string => `the refresh was answered with ${what}`,
  token: (got: string): string => `expected an access token, got ${GOT[got] ?? got}`,
  scheme: (): string => 'expected token_type Bearer',
  page: (type: string, place: string): string =>
    `${type}${place && ` of ${place}`}${/html/.test(type) ? '. Is the path right?' : ''}`,
  unclear: (): string => 'a refusal, or a failure? Return the response itself, ok or not',
  elsewhere: (): string => 'the tab that has the tokens does not answer',
  rejected: (): string => 'the refresh was refused',
  loop: (): string =>
    'new access tokens are refused as well: look at the API, its clock and its audience; see `budget`',
  gone: (): string => 'its body cannot be sent again: see `session: { body }`',
  deadline: (request: string, deadline: number, part: string = 'it'): string =>
    `${request} waited ${deadline} ms for a refresh. Is ${part} part of the refresh? Then give it its signal, or session: false`,
  'signed-out': (): string => 'nobody is signed in',
  closed: (): string => 'the pool is closed',
  echo: (): string =>
    'a listener brings about an event each time that it is told of one; what follows is told to nobody',
  'mcp-login': (): string => 'there is no refresh token for this authorization server',
  'mcp-discovery': (): string => 'the authorization server cannot be discovered now',

  // Mistakes in a program
  refresh: (factory: string): string => `${factory}: refresh must be a function`,
  option: (factory: string, name: string, value: unknown): string =>
    `${factory}: ${name} cannot be ${String(value)}${typeof value === 'number' ? ': times are in milliseconds' : ''}`,
  cookie: (method: string): string => `${method}: in cookie mode nobody knows the access token`,
  inside: (verb: string): string => `${verb}: inside \`refresh\` it would wait for itself: return the tokens`,
  user: (): string => 'a request of `onStepUp` asks for a step-up: it would wait for itself',
  listener: (got: string): string => `expected a function that listens, got ${got}`,
  unknown: (factory: string, name: string): string => `${factory}: there is no option ${name}`,
  shape: (missing: string): string =>
    `createSession: store has no ${missing}. Is it a storage? Then use memoryStore({ storage })`,
  instance: (): string =>
    'attachSession: expected an axios instance, then a session; withSession: a session, then { fetch }',
  second: (): string => 'attachSession: another session is attached here: detach that one first',
  credentials: (): string => 'applyToken: expected { headers, query }, each an object of names and values',
  templated: (name: string, end: unknown): string =>
    `applyToken: ${name} ends with "${end}"; it gets a token set: use its accessToken`,
  header: (name: string): string => `${name}: invalid header value`,
  inner: (request: string): string =>
    `${request}: inside \`refresh\` it would wait for the refresh: give it its signal, or session: false`,
  update: (): string => 'update: nobody is signed in; use signIn',
  basic: (): string => 'Basic credentials would replace those of the session: use session: false',
  origins: (): string => "origins: '*' is for sessions without a token (cookie mode)",
  url: (): string => 'origins: URL is incomplete here; on React Native import react-native-url-polyfill/auto',
  nowhere: (): string =>
    'origins: who may get the token? Without a page it takes `origins`, or a whole base URL',
  origin: (written: string): string =>
    `origins: expected https or loopback, got ${JSON.stringify(written)}. Is that network yours? Then name it in insecureOrigins`,
  body: (): string => 'body: expected a function that returns a body, not a promise',
  options: (): string => 'memoryStore: expected options, got a storage: use memoryStore({ storage })',
  storage: (missing: string): string =>
    `memoryStore: expected \`storage\` to have getItem, setItem and removeItem; it has no ${missing}`,
  browser: (options: string): string =>
    `browserStore: expected { name, persist?: 'memory' | 'disk', lease? }, got ${options}`,
  file: (option: string): string =>
    `fileStore: expected { path, lease? > 0, ttl? >= 2000, secrets?: { getItem, setItem, removeItem }, migrate? }; ${option} is something else`,
  cell: (option: string): string =>
    `cellStore: expected { read, replace, watch? }, then { lease? > 0, ttl? >= 2000, timeout? > 0, poll? > 0 }; ${option} is something else`,
  mcp: (option: string, expected: string): string => `mcpSession: ${option} must be ${expected}`,
  store: (): string => 'createSessionPool: store must be a function of the id',
  name: (expected: string, got: string): string => `${expected}, got ${got}`,
  use: (): string => 'use: too late, there is an instance already; see createFactory',
  handler: (): string => 'use: no refreshHandler given',
  'refresh-call': (): string => 'createAuthRefresh: refreshAuthCall must be a function',
  unused: (): string => 'getInstance: call use({ refreshHandler }) first',

  grant: (): string =>
    'a grant needs an issuer, or a server with a token_endpoint, each a whole URL, and a clientId',
  renewal: (): string => 'there is no refresh token',
  discovery: (issuer: string, reason: string): string => `the metadata of ${issuer} cannot be had: ${reason}`,
  setting: (error: string): string => `${error}: look at ${SETTINGS[error] ?? 'the options'}`,
  redeem: (): string => 'redeemCode: the state, the verifier, or the code in the URL is missing',
  spent: (): string => 'another session has spent this refresh token: sessions of one user share a store',
  subject: (): string => 'the new tokens are about another user',

  // What no longer holds
  stranger: (origin: string): string =>
    `${origin} has answered 401, and gets no token: if it is your API, name it in origins`,
  'id-token': (): string => 'an ID token of another issuer, or for another client, was not taken',
  narrowed: (scope: string): string => `the scope is narrower than asked for: ${scope}`,
  untold: (): string => '`refresh` tells no refusal from a failure: return the response itself, ok or not',
  unsaved: (): string => 'the new tokens were not saved',
  end: (): string => 'the end was not saved',
  load: (): string => 'the store cannot be read',
  tokens: (): string => '`tokens` has not told who is signed in',
  contract: (promise: string, what: string): string =>
    `the store breaks its contract: ${promise} brings no ${what}`,
  throws: (promise: string): string => `the store breaks its contract: ${promise} throws`,
  time: (member: string): string => `${member} is no time`,
  hangs: (name: string): string => `${name} has not come to an end`,
  'storage-foreign': (): string => 'the storage holds something else under this key',
  'storage-unreadable': (): string => 'the storage cannot be read',
  'storage-unwritable': (): string => 'the storage cannot be written',
  'file-foreign': (file: string): string => `${file} is none of ours: it was set aside`,
  'file-format': (): string => 'the files were written by a later version of refresh-once: update this one',
  'file-secret': (): string => 'the tokens are kept elsewhere, and cannot be read there now',
  'file-spent': (): string => '`migrate` brings tokens that were taken over before: they are spent',
  'cell-foreign': (): string => 'the cell holds something else, which is going to be written over',
  'cell-format': (): string => 'the cell was written by a later version of refresh-once: update this one',
  'cell-away': (reason: string): string => `the cell is not available: ${reason}`,
  'cell-answer': (method: string, expected: string, got: string): string =>
    `cell.${method}: expected ${expected}, got ${got}`,
  'cell-refuses': (): string =>
    'cell.replace says that somebody was faster, and nothing has changed: does it compare what `read` brings?',
  foreign: (): string => `IndexedDB holds something else: ${ALONE}`,
  cleared: (): string => `IndexedDB was cleared: ${ALONE}`,
  broken: (): string => `IndexedDB cannot be used: ${ALONE}`,
  locks: (): string => `no Web Locks: ${ALONE}`,
}

type Messages = typeof messages

/** The message of a code, with its arguments. */
export function say<Code extends keyof Messages>(code: Code, ...details: Parameters<Messages[Code]>): string {
  return (messages[code] as (...details: unknown[]) => string)(...details)
}
