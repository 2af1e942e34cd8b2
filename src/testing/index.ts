export { type AuthServer, type AuthServerOptions, createAuthServer } from './auth-server.ts'
export type { Barrier } from './barrier.ts'
export { createTestClock, type TestClock, type TestClockOptions } from './clock.ts'
export type { Answer } from './conversation.ts'
export type { FaultKind, FaultOptions } from './faults.ts'
export type { ApiHandler, ApiRequest, ReceivedRequest } from './guarded-api.ts'
export type {
  ApiEntry,
  EffectEntry,
  FaultEntry,
  LogEntry,
  RefreshEntry,
  RefusedEntry,
  RejectedEntry,
  ReuseEntry,
  ServerCount,
  SessionEntry,
} from './server-log.ts'
export {
  type OpenStore,
  type StoreCheck,
  type StoreContractOptions,
  storeContract,
} from './store-contract.ts'
export type { TokenResponse } from './token-answer.ts'
