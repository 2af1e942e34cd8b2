/** How the platform fails a page, from now on. */
const faults = {
  'no locks': () => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }),
  'no channels': () => Reflect.deleteProperty(self, 'BroadcastChannel'),
  /** What a tab says last may be lost when it crashes. */
  'nobody hears': () => {
    BroadcastChannel.prototype.postMessage = () => {}
  },
  'no storage': () => Object.defineProperty(self, 'indexedDB', { value: undefined }),
  /** As Firefox did where cookies are blocked. */
  'storage throws': () => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError')
    }
  },
  /** A real error, of a database that is asked for with an older version than it has. */
  'storage fails': async () => {
    const { open } = IDBFactory.prototype
    await done(indexedDB.open('newer', 2))
    IDBFactory.prototype.open = () => open.call(indexedDB, 'newer', 1)
  },
  'storage is full': () => {
    const { put } = IDBObjectStore.prototype
    IDBObjectStore.prototype.put = function (...args) {
      const request = put.apply(this, args)
      Object.defineProperty(this.transaction, 'error', {
        value: new DOMException('The quota has been exceeded.', 'QuotaExceededError'),
      })
      this.transaction.abort()
      return request
    }
  },
  // What never answers
  'storage hangs': () => {
    IDBFactory.prototype.open = () => new EventTarget() as IDBOpenDBRequest
  },
  'storage hangs once': () => {
    const { open } = IDBFactory.prototype
    IDBFactory.prototype.open = () => {
      IDBFactory.prototype.open = open
      return new EventTarget() as IDBOpenDBRequest
    }
  },
  'locks hang': () => {
    LockManager.prototype.request = never
  },
  'locks hang once': () => {
    const { request } = LockManager.prototype
    LockManager.prototype.request = () => {
      LockManager.prototype.request = request
      return never()
    }
  },
  'queries hang': () => {
    LockManager.prototype.query = never
  },
}

const never = (): Promise<never> => new Promise(() => {})

let giveLockBack = (): void => {}

let holdsStorage = false

/** What the test breaks. */
export const faultActions = {
  async suffer(fault: keyof typeof faults): Promise<void> {
    await faults[fault]()
  },

  /** Takes the lock of the session from whoever has it, and keeps it. Resolves once it is taken. */
  takeLock: (): Promise<void> =>
    new Promise((resolve) => {
      void navigator.locks.request('refresh-once:app', { steal: true }, () => {
        resolve()
        return new Promise<void>((pass) => {
          giveLockBack = pass
        })
      })
    }),

  giveLockBack: (): void => giveLockBack(),

  /** Begins a transaction and stays in it, as a page does that the system has stopped there. */
  async holdStorage(): Promise<void> {
    const database = await done(indexedDB.open('refresh-once'))
    const cells = database.transaction('sessions', 'readwrite').objectStore('sessions')
    holdsStorage = true
    await done(cells.count())
    void (async () => {
      while (holdsStorage) await done(cells.count())
      database.close()
    })()
  },

  releaseStorage(): void {
    holdsStorage = false
  },

  hasLocks: (): boolean => Boolean(navigator.locks),

  /** Somebody clears the data of the site. Resolves once it is gone; a connection that is left open would keep it. */
  async deleteDatabases(): Promise<void> {
    for (const { name = '' } of await indexedDB.databases()) await done(indexedDB.deleteDatabase(name))
  },

  /** Overwrites all that is stored. Resolves with how many values that were. */
  async overwriteStorage(value: unknown): Promise<number> {
    let count = 0
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name))
      const stores = [...database.objectStoreNames]
      const transaction = database.transaction(stores, 'readwrite')
      for (const store of stores.map((store) => transaction.objectStore(store))) {
        for (const key of await done(store.getAllKeys())) {
          store.put(value, key)
          count++
        }
      }
      await new Promise((resolve) => {
        transaction.oncomplete = resolve
      })
      database.close()
    }
    return count
  },

  /** All that is stored, as text. */
  async readStorage(): Promise<string> {
    const all: unknown[] = [{ ...localStorage }, { ...sessionStorage }]
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name))
      const stores = [...database.objectStoreNames]
      const transaction = database.transaction(stores)
      for (const store of stores) all.push(await done(transaction.objectStore(store).getAll()))
      database.close()
    }
    return JSON.stringify(all)
  },
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
