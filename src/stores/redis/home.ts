import type { Clock } from '../../core/clock.ts'
import type { Connection } from './connection.ts'
import type { Newsroom } from './newsroom.ts'
import type { Script } from './scripts.ts'

/** What the stores of one client have in common. Times are in milliseconds. */
export interface Shared {
  readonly connection: Connection
  readonly newsroom: Newsroom
  readonly clock: Clock
  readonly prefix: string
  readonly lease: number
  readonly ttl: number
  readonly keep: number
  readonly timeout: number
}

/** Where one session lives in Redis, as one context sees it. */
export interface Home extends Shared {
  /** Of the session's hash, and the name of the channel on which its news are. */
  readonly key: string
  /** Names this context, in leases and messages. */
  readonly context: string
  run(script: Script, args: (string | number)[]): Promise<unknown>
}
