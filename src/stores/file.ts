import { join as pathTo, resolve } from 'node:path'
import { type Clock, systemClock } from '../core/clock.ts'
import { checkFile } from '../core/mistakes.ts'
import { ensureName } from '../core/name.ts'
import type { SessionStore } from '../core/store.ts'
import type { TokenInput } from '../core/tokens.ts'
import { digestOf, hexOf } from './file/names.ts'
import { createFileStore } from './file/store.ts'
import type { KeyValueStorage } from './memory.ts'

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
  /**
   * Keeps the tokens, in a keychain for example, while the rest of the record stays in files: one entry per token set. Its
   * methods may be asynchronous. Where it is locked or missing for now, a refresh fails for now, and nobody is signed out.
   * @default they are in the files, as they are
   */
  secrets?: KeyValueStorage | undefined
  /** @default the runtime's */
  clock?: Clock | undefined
}

/** Options of {@link fileStore}. */
export interface FileStoreOptions extends FileOptions {
  /** A folder for this login alone. It is made where it is missing, for this user only. */
  path: string
  /**
   * Brings the tokens that the app has kept elsewhere until now. Asked while nobody has ever signed in here; what it has
   * brought once is not taken again, also not after the folder was deleted: it is spent.
   */
  migrate?: (() => TokenInput | undefined | null | Promise<TokenInput | undefined | null>) | undefined
}

/** Options of {@link fileStores}. */
export interface FileStoresOptions extends FileOptions {
  /** In it each login has a folder of its own. */
  folder: string
}

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
  return storeAt(options, 'fileStore: expected a path')
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
  checkFile(options)
  // Whoever changes the working directory does not change the logins.
  const place = resolve(folder)
  return (id) => {
    ensureName(id, 'fileStores: expected the id of a session')
    return storeAt({ ...options, path: pathTo(place, folderNameOf(id)) }, '')
  }
}

function storeAt(options: FileStoreOptions, expected: string): SessionStore {
  const { path, lease = 60_000, ttl = 5_000, clock = systemClock } = options
  ensureName(path, expected)
  checkFile(options)
  return createFileStore({ ...options, path: resolve(path), lease, ttl: Math.min(ttl, lease), clock })
}

/**
 * What an id is called as a folder: no two ids alike where capitals do not count, nothing that a system keeps for itself,
 * and nothing that leads elsewhere.
 */
function folderNameOf(id: string): string {
  const name = Buffer.from(id)
    .toString('latin1')
    .replace(/[^a-z0-9_-]/g, (byte) => `%${hexOf(byte, 2)}`)
  return `login-${name.length > LONGEST_NAME ? `=${digestOf(id)}` : name}`
}
