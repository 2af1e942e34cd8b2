import { createHash } from 'node:crypto'
import { join as pathTo, resolve } from 'node:path'
import { type Clock, systemClock } from '../core/clock.ts'
import { say } from '../core/messages.ts'
import { ensureName } from '../core/name.ts'
import type { SessionStore } from '../core/store.ts'
import { createFileStore } from './file/store.ts'

/** Options of {@link fileStore} and {@link fileStores}. Times are in milliseconds. */
export interface FileOptions {
  /** How long a refresh may stay unanswered until it loses its turn. @default 60_000 */
  lease?: number | undefined
  /**
   * How long the turn of a process lasts that is silent, because it was stopped, or has died where nobody can see it: in
   * another container, on another machine. One that lives renews it; of one that has died on this machine the turn passes
   * on at once. At least 2_000.
   * @default 5_000
   */
  ttl?: number | undefined
  /** @default the runtime's */
  clock?: Clock | undefined
}

/** Options of {@link fileStore}. */
export interface FileStoreOptions extends FileOptions {
  /** A folder for this login alone. It is made where it is missing, for this user only. */
  path: string
}

/** Options of {@link fileStores}. */
export interface FileStoresOptions extends FileOptions {
  /** In it each login has a folder of its own. */
  folder: string
}

/** Milliseconds. A session sends nothing in the last second of a turn. */
const SHORTEST_TTL = 2_000

/** Longer names of folders are refused by file systems. */
const LONGEST_NAME = 120

/**
 * Keeps one session in a folder, for all processes that share it: one refresh at a time, and one token set.
 *
 * The folder holds small JSON files that are written once. A request with a usable token touches none of them, and
 * nothing keeps a process alive that has nothing else to do. Records hold tokens as they are: who can read the files can
 * use them. One store object is for one session object.
 *
 * @throws TypeError where an option is missing or cannot be used
 *
 * @example
 * createSession({ refresh, store: fileStore({ path: join(dataFolder, 'login') }) })
 */
export function fileStore(options: FileStoreOptions): SessionStore {
  return storeAt(options.path, options, 'fileStore: expected a path')
}

/**
 * {@link fileStore} for the logins of many users: a function from the id of a session to its store. Whatever an id is, it
 * names a folder of its own within `folder`.
 *
 * @throws TypeError where an option is missing or cannot be used
 *
 * @example
 * const stores = fileStores({ folder })
 * const session = createSession({ refresh, store: stores(userId) })
 */
export function fileStores(options: FileStoresOptions): (id: string) => SessionStore {
  const { folder } = options
  ensureName(folder, 'fileStores: expected a folder')
  checkTimes(options)
  return (id) => {
    ensureName(id, 'fileStores: expected the id of a session')
    return storeAt(pathTo(folder, folderNameOf(id)), options, '')
  }
}

function storeAt(path: string, options: FileOptions, expected: string): SessionStore {
  ensureName(path, expected)
  checkTimes(options)
  const { lease = 60_000, ttl = 5_000, clock = systemClock } = options
  // Whoever changes the working directory does not change the login.
  return createFileStore({ path: resolve(path), lease, ttl: Math.min(ttl, lease), clock })
}

function checkTimes({ lease = 1, ttl = SHORTEST_TTL }: FileOptions): void {
  if (!(lease > 0)) throw new TypeError(say('option', 'fileStore', 'lease', lease))
  if (!(ttl >= SHORTEST_TTL)) throw new TypeError(say('option', 'fileStore', 'ttl', ttl))
}

/**
 * What an id is called as a folder: no two ids alike where capitals do not count, nothing that a system keeps for itself,
 * and nothing that leads elsewhere.
 */
function folderNameOf(id: string): string {
  const name = Array.from(Buffer.from(id), (byte) => {
    const character = String.fromCharCode(byte)
    return /[a-z0-9_-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`
  }).join('')
  return `login-${name.length > LONGEST_NAME ? `=${createHash('sha256').update(id).digest('hex')}` : name}`
}
