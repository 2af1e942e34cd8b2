import type { Clock } from '../../core/clock.ts'

const DATABASE = 'refresh-once'
const CELLS = 'sessions'

/** Milliseconds after which IndexedDB counts as not available: there were engines in which it never answered. */
const PATIENCE = 5_000

/**
 * Shows `change` what is kept under `name`, and keeps what it makes of it, in one transaction; where that is undefined,
 * what was there stays. Resolves when it is done.
 *
 * Each call opens the database anew. So it may be deleted under us, and no open connection keeps a page out of the
 * back/forward cache.
 */
export function changeCell(name: string, clock: Clock, change: (found: unknown) => unknown): Promise<void> {
  let timer: unknown
  return new Promise<void>((resolve, reject) => {
    timer = clock.setTimeout(reject, PATIENCE)
    const opening = indexedDB.open(DATABASE, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore(CELLS)
    opening.onerror = reject
    opening.onsuccess = () => {
      const database = opening.result
      try {
        const transaction = database.transaction(CELLS, 'readwrite')
        const cells = transaction.objectStore(CELLS)
        const reading = cells.get(name)
        reading.onsuccess = () => {
          try {
            const next = change(reading.result)
            if (next !== undefined) cells.put(next, name)
          } catch (error) {
            // It cannot be cloned.
            reject(error)
          }
        }
        transaction.oncomplete = () => resolve()
        transaction.onabort = reject
      } catch (error) {
        // The database is not ours.
        reject(error)
      }
      // Takes effect when the transaction is over.
      database.close()
    }
  }).finally(() => clock.clearTimeout(timer))
}
