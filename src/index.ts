export { type Challenge, parseChallenges } from './core/challenge.ts'
export type { Clock } from './core/clock.ts'
export {
  findSessionError,
  isSessionError,
  SessionError,
  type SessionErrorCode,
  type SessionErrorDetails,
} from './core/errors.ts'
export type { RefreshContext } from './core/flight.ts'
export type {
  IgnoreReason,
  RefreshReason,
  RequestInfo,
  SessionEvent,
  SessionNews,
  SessionState,
} from './core/machine.ts'
export type { BudgetOptions, RefreshResult, SessionOptions } from './core/options.ts'
export type { RefreshFailure } from './core/outcome.ts'
export {
  type Credentials,
  type CredentialTarget,
  SessionRequest,
  type SessionResponse,
} from './core/request.ts'
export { createSession, type Session } from './core/session.ts'
export type { Lease, SessionStore, Stored, Version } from './core/store.ts'
export type { TokenInput, TokenSet } from './core/tokens.ts'
export { type KeyValueStorage, type MemoryStoreOptions, memoryStore } from './stores/memory.ts'
