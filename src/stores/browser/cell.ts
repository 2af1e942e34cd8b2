import type { Clock } from '../../core/clock.ts'

const DATABASE = 'refresh-once'
const CELLS = 'sessions'

/** Milliseconds after which IndexedDB counts as not available: some engines have answered never. */
const PATIENCE = 5_000

/**
 * Reads what is kept under `name`, and writes what `change` makes of it, in one transaction; nothing is written where
 * that is undefined. Resolves when it is durable.
 *
 * Each call opens the database anew. So it may be deleted under us, and no open connection keeps a page out of the
 * back/forward cache.
 */
export function changeCell(
  name: string,
  mode: 'readonly' | 'readwrite',
  clock: Clock,
  change: (found: unknown) => unknown,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new Error('no answer')), PATIENCE)
    const settle = (error?: unknown) => {
      clock.clearTimeout(timer)
      if (error) reject(error)
      else resolve()
    }
    const opening = indexedDB.open(DATABASE, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore(CELLS)
    opening.onerror = () => settle(opening.error)
    opening.onsuccess = () => {
      const database = opening.result
      try {
        const transaction = database.transaction(CELLS, mode)
        const cells = transaction.objectStore(CELLS)
        const reading = cells.get(name)
        reading.onsuccess = () => {
          try {
            const next = change(reading.result)
            if (next !== undefined) cells.put(next, name)
          } catch (error) {
            settle(error)
          }
        }
        transaction.oncomplete = () => settle()
        transaction.onabort = () => settle(transaction.error)
      } catch (error) {
        settle(error)
      } finally {
        // Takes effect when the transaction is over.
        database.close()
      }
    }
  })
}
