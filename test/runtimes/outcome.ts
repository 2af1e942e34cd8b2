import type { TokenResponse } from 'refresh-once/testing'

/** By subject (core, axios, fetch), and by the name of the check. */
export type Results<T> = Record<string, Record<string, T>>

/** What a check gets to know. */
export interface Given {
  /** Of its own server. */
  url: string
  tokens: TokenResponse
}

/** What came of it. */
export interface Outcome {
  passed: boolean
  /** What the runtime does, where runtimes differ and none is wrong. */
  saw?: string
  error?: string
}
