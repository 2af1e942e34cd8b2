export { type Challenge, parseChallenges } from './core/challenge.ts'
export type { Clock } from './core/clock.ts'
export {
  type CausedBySession,
  findSessionError,
  isSessionError,
  SessionError,
  type SessionErrorCode,
  type SessionErrorDetails,
} from './core/errors.ts'
export type {
  IgnoreReason,
  RefreshReason,
  RequestInfo,
  SessionEvent,
  SessionNews,
} from './core/events.ts'
export type {
  BudgetOptions,
  FirstTokens,
  RefreshContext,
  RefreshResult,
  SessionOptions,
} from './core/options.ts'
export type { RefreshFailure } from './core/outcome.ts'
export {
  type Credentials,
  type CredentialTarget,
  type RequestPart,
  type Sent,
  SessionRequest,
  type SessionResponse,
} from './core/request.ts'
export { createSession, type Session, type SessionTransport } from './core/session.ts'
export type { SessionState } from './core/state.ts'
export type { Lease, SessionStore, Stored, Version } from './core/store.ts'
export type { TokenInput, TokenSet } from './core/tokens.ts'
export type { UseOptions } from './core/use.ts'
export { type LineLogger, logTo } from './log.ts'
export { type KeyValueStorage, type MemoryStoreOptions, memoryStore } from './stores/memory.ts'
export { type TokenSource, tokenSource } from './token-source.ts'
