import * as oauth from 'oauth4webapi'

/** Options of {@link storedKey}. */
export interface StoredKeyOptions {
  /** Name of the database. @default 'refresh-once:dpop' */
  name?: string | undefined
  /** The algorithm of the key, as JOSE names it. @default 'ES256' */
  alg?: string | undefined
}

/**
 * A key pair of this origin, for `createDpop`: made once and kept in IndexedDB, so that all tabs and the next start have
 * the same. Its private part cannot be exported, by nobody.
 *
 * Rejects where IndexedDB fails; the next use tries again. Nothing takes its place: tokens that are bound to one key are
 * refused with another, and the refresh token would be lost.
 */
export function storedKey(options: StoredKeyOptions = {}): () => Promise<CryptoKeyPair> {
  const { name = 'refresh-once:dpop', alg = 'ES256' } = options
  return async () => {
    const opening = indexedDB.open(name, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore('keys')
    const database = await settled(opening)
    try {
      const found = await settled<CryptoKeyPair | undefined>(
        database.transaction('keys').objectStore('keys').get(alg),
      )
      if (found) return found
      // First, because a transaction does not wait for it. Who comes to the store first wins; the others take that one.
      const made = await oauth.generateKeyPair(alg)
      return await keep(database.transaction('keys', 'readwrite', { durability: 'strict' }), alg, made)
    } finally {
      database.close()
    }
  }
}

/** What the store holds in the end; known when that is certain. */
function keep(transaction: IDBTransaction, alg: string, made: CryptoKeyPair): Promise<CryptoKeyPair> {
  return new Promise((resolve, reject) => {
    const keys = transaction.objectStore('keys')
    const look: IDBRequest<CryptoKeyPair | undefined> = keys.get(alg)
    let kept = made
    look.onsuccess = () => {
      if (look.result) kept = look.result
      else keys.put(made, alg)
    }
    transaction.oncomplete = () => resolve(kept)
    transaction.onabort = () => reject(transaction.error)
  })
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
