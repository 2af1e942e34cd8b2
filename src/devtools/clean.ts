import type { SessionErrorCode } from '../core/errors.ts'
import type { IgnoreReason, RefreshReason, SessionEvent } from '../core/events.ts'
import type { SessionState } from '../core/state.ts'

/** Where an event comes from, and the event. */
export interface TimelineEntry {
  /** Names the tab or the process: whoever observes chooses it. */
  readonly source: string
  readonly event: SessionEvent
}

/** The types of events; true for those of a request. */
const TYPES: Readonly<Record<SessionEvent['type'], boolean>> = {
  'request-held': true,
  'request-sent': true,
  'request-replayed': true,
  'request-recalled': true,
  'request-ignored': true,
  'request-rejected': true,
  'request-settled': true,
  'refresh-started': false,
  'refresh-joined': false,
  'refresh-succeeded': false,
  'refresh-adopted': false,
  'refresh-failed': false,
  updated: false,
  'signed-in': false,
  restored: false,
  'session-ending': false,
  'signed-out': false,
  degraded: false,
}

const CODES: Readonly<Record<SessionErrorCode, true>> = {
  session_expired: true,
  refresh_failed: true,
  refresh_timeout: true,
  refresh_loop: true,
  step_up_required: true,
  session_changed: true,
  session_closed: true,
  not_replayable: true,
}

const REASONS: Readonly<Record<RefreshReason | IgnoreReason | 'signed-out', true>> = {
  unknown: true,
  expired: true,
  ahead: true,
  rejected: true,
  forced: true,
  'opted-out': true,
  skipped: true,
  'foreign-origin': true,
  'own-credentials': true,
  refresh: true,
  'sign-out': true,
  'foreign-answer': true,
  'signed-out': true,
}

const STATUSES: Readonly<Record<SessionState['status'], true>> = {
  unknown: true,
  restoring: true,
  'signed-in': true,
  'signed-out': true,
}

/** Characters of a text that are kept, and of a name. */
const LONGEST = 500
const LONGEST_NAME = 60

/** What looks like a secret, whoever wrote it: a session knows its own tokens only. */
const CREDENTIALS = /\b(Bearer|DPoP|Basic)(\s+|%20|\+)(?!\w+=)[^\s",]+/gi
const NAMED =
  /((?:[\w-]*token|secret|password|passwd|assertion|api[_-]?key|session[_-]?id|sid|cookie|authorization)(?:["']|%22)*\s*(?:[=:]|%3D|%3A)\s*(?:["']|%22)*)(?!["'])[^\s"',;&]+/gi
const JWT = /\beyJ[\w-]*(?:\.[\w-]*)*/g
const LONG_RUNS = /[\w~+=%-]{16,}/g
/** Of capitals, small letters and digits. */
const MIXED_RUNS = /(?=[^a-z\s/:"]*[a-z])(?=[^A-Z\s/:"]*[A-Z])(?=[^\d\s/:"]*\d)[\w~+=%.-]{12,}/g

/** Line breaks, what terminals obey, what turns the direction of writing, what nobody sees, and halves of pairs. */
const UNPRINTABLE = /[^\P{C}\t]|\p{Zl}|\p{Zp}/gu

/** Takes secrets and control characters out of the text of strangers. */
function cleanText(foreign: unknown, longest: number = LONGEST): string {
  // What is cut in two is recognised no more: the text is longer while one looks.
  const text = typeof foreign === 'string' ? foreign.slice(0, 8 * LONGEST) : ''
  const clear = text
    .replace(UNPRINTABLE, ' ')
    .replace(CREDENTIALS, '$1 …')
    .replace(NAMED, '$1…')
    .replace(JWT, '…')
    .replace(MIXED_RUNS, (run) => `${run.slice(0, 4)}…`)
    .replace(LONG_RUNS, (run) => (isOpaque(run) ? `${run.slice(0, 4)}…` : run))
  return clear.length > longest ? `${clear.slice(0, longest)}…` : clear
}

/** Words have no digits within, and no capitals but the first of each. */
function isOpaque(run: string): boolean {
  return /\d/.test(run) ? /[a-z]/i.test(run) || run.length > 20 : /[a-z][A-Z].*[A-Z]/.test(run)
}

/** Scheme, host and path; in these, too, segments that look like a secret are cut. */
function cleanUrl(foreign: unknown): string {
  const [text = ''] = (typeof foreign === 'string' ? foreign : '').split(/[?#]/, 1)
  const [, origin = '', path = ''] = /^([a-z][a-z\d+.-]*:\/\/[^/]*)?(.*)$/is.exec(text) ?? []
  // A user's name and password come before the host.
  const host = origin.replace(/\/\/.*@/, '//').replace(UNPRINTABLE, '')
  return `${host.length > 100 ? `${host.slice(0, 12)}…` : host}${cleanText(path, 300)}`
}

/** Tells sign-ins apart, and nothing else. */
function shorten(name: string): string {
  let sum = 0
  for (const character of name.slice(0, 200)) sum = (Math.imul(sum, 31) + (character.codePointAt(0) ?? 0)) | 0
  return (sum >>> 0).toString(36)
}

/**
 * What of an event may be shown, kept and handed on: the members that are known, each of its kind, without secrets.
 * Undefined where it is none: files come from anywhere.
 */
export function cleanEvent(foreign: unknown): SessionEvent | undefined {
  const { type, at, state, request, ...details } = membersOf(foreign)
  const isRequest = isOneOf(TYPES, type) ? TYPES[type] : undefined
  if (isRequest === undefined || !isTime(at)) return undefined
  const event: Record<string, unknown> = { type, at, state: cleanState(state) }
  if (isRequest) {
    const { id, method, url, attempt, generation } = membersOf(request)
    if (!isCount(id)) return undefined
    event.request = {
      id,
      method: typeof method === 'string' && /^[a-z-]{1,20}$/i.test(method) ? method : '?',
      url: cleanUrl(url),
      attempt: isCount(attempt) ? attempt : 0,
      generation: isCount(generation) ? generation : 0,
    }
  }
  const { status, code, reason, retryAt, endsAt } = details
  if (type === 'request-rejected' || type === 'request-settled')
    event.status = isCount(status) && status < 1000 ? status : 0
  if (type === 'request-rejected') event.challenge = cleanText(details.challenge)
  if (type === 'request-settled') event.ok = details.ok === true
  if (type === 'refresh-failed') event.message = cleanText(details.message)
  if (type === 'refresh-failed' || type === 'request-settled')
    event.code = isOneOf(CODES, code) ? code : undefined
  if (isTime(retryAt)) event.retryAt = retryAt
  if (isTime(endsAt)) event.endsAt = endsAt
  if (type === 'degraded') event.reason = cleanText(reason)
  else if (isOneOf(REASONS, reason)) event.reason = reason
  return event as unknown as SessionEvent
}

/** Names a source. */
export function cleanName(foreign: unknown): string {
  return cleanText(foreign, LONGEST_NAME).trim() || 'session'
}

/** The state of the last event is that of the next one, mostly. */
let last: { of: unknown; is: SessionState } | undefined

function cleanState(foreign: unknown): SessionState {
  if (last && last.of === foreign && Object.isFrozen(foreign)) return last.is
  const { status, refreshing, generation, signIn, expiresAt, sessionEndsAt } = membersOf(foreign)
  const is: SessionState = Object.freeze({
    status: isOneOf(STATUSES, status) ? status : 'unknown',
    refreshing: refreshing === true,
    generation: isCount(generation) ? generation : 0,
    ...(typeof signIn === 'string' && { signIn: /^[a-z\d]{1,7}$/.test(signIn) ? signIn : shorten(signIn) }),
    ...(isTime(expiresAt) && { expiresAt }),
    ...(isTime(sessionEndsAt) && { sessionEndsAt }),
  })
  last = { of: foreign, is }
  return is
}

function membersOf(foreign: unknown): Record<string, unknown> {
  return typeof foreign === 'object' && foreign !== null ? (foreign as Record<string, unknown>) : {}
}

function isOneOf<T extends string>(table: Readonly<Record<T, unknown>>, name: unknown): name is T {
  return typeof name === 'string' && Object.hasOwn(table, name)
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) < 8.64e15
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
