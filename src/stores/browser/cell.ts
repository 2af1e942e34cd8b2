import { leaveWith, orAborted } from '../../core/abortable.ts'
import type { Clock } from '../../core/clock.ts'
import { patience } from '../../core/patience.ts'

const DATABASE = 'refresh-once'
const CELLS = 'sessions'

/** After so many milliseconds IndexedDB counts as not available: there were engines in which it never answered. */
const PATIENCE = 5_000

/** Where it is not available already. Else nobody's refresh would come home before he is told that it takes too long. */
const SHORT_PATIENCE = 300

/**
 * Shows `change` what is kept under `name`, and keeps what it makes of it, in one transaction; where that is undefined,
 * what was there stays. Resolves when it is done.
 *
 * Each call opens the database anew. So it may be deleted under us, and no open connection keeps a page out of the
 * back/forward cache. A transaction of such a page would be frozen, and everybody would wait for it: it is given up
 * when the page leaves, and tried again when it comes back.
 */
export async function changeCell(
  name: string,
  clock: Clock,
  change: (found: unknown) => unknown,
  broken?: boolean,
): Promise<void> {
  const over = new AbortController()
  const done = patience(clock, broken ? SHORT_PATIENCE : PATIENCE, () => over.abort())
  globalThis.addEventListener?.('pagehide', (event) => over.abort(event), over)
  try {
    await orAborted(changeNow(name, over.signal, change), over.signal)
  } catch (reason) {
    if (Object(reason).type !== 'pagehide') throw reason
    await new Promise((back) => addEventListener('pageshow', back, { once: true }))
    await changeCell(name, clock, change, broken)
  } finally {
    done()
    over.abort()
  }
}

async function changeNow(
  name: string,
  over: AbortSignal,
  change: (found: unknown) => unknown,
): Promise<void> {
  const opening = indexedDB.open(DATABASE, 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(CELLS)
  const database = await outcome(opening)
  try {
    const transaction = database.transaction(CELLS, 'readwrite')
    leaveWith(over, () => {
      try {
        transaction.abort()
      } catch {
        // It is being committed, or done.
      }
    })
    const cells = transaction.objectStore(CELLS)
    const next = change(await outcome(cells.get(name)))
    if (next !== undefined) cells.put(next, name)
    // Done, even if the page leaves now.
    transaction.commit()
    await outcome(transaction)
  } finally {
    database.close()
  }
}

/** What becomes of a request, or of a transaction. Whoever waits for a request goes on within its transaction. */
function outcome<T>(of: IDBRequest<T> | IDBTransaction): Promise<T> {
  return new Promise((resolve, reject) =>
    Object.assign(of, {
      onsuccess: () => resolve((of as IDBRequest<T>).result),
      oncomplete: resolve,
      onerror: reject,
      onabort: reject,
    }),
  )
}
