import { type KeyValueStorage, memoryStore, type SessionStore } from 'refresh-once'
import { storeContract } from 'refresh-once/testing'
import { describe, test } from 'vitest'
import { createSharedStore, type SharedStore } from '../laws/shared-store.ts'
import { withoutJitter } from '../setup.ts'

/** AsyncStorage, as far as a store sees it. */
function newStorage(): KeyValueStorage {
  const content = new Map<string, string>()
  return {
    getItem: async (key) => content.get(key),
    setItem: async (key, value) => void content.set(key, value),
    removeItem: async (key) => void content.delete(key),
  }
}

describe('memoryStore', () => {
  for (const { name, run } of storeContract((_, lease) => memoryStore({ lease }), { shared: false }))
    test(name, run)
})

describe('memoryStore with a storage', () => {
  const open = (key: string, lease: number): SessionStore =>
    memoryStore({ storage: newStorage(), key, lease })
  for (const { name, run } of storeContract(open, { shared: false })) test(name, run)
})

describe('the store that the laws are tried with', () => {
  const places = new Map<string, SharedStore>()
  const unheard = (): void => {}
  let contexts = 0
  const open = (place: string, lease: number): SessionStore => {
    const store =
      places.get(place) ??
      createSharedStore({
        schedule: (_, run) => void setImmediate(run),
        clock: withoutJitter(),
        spy: { saving: unheard, told: unheard, watched: unheard, leased: unheard },
        lease,
        steals: true,
      })
    places.set(place, store)
    return store.open(++contexts)
  }
  for (const { name, run } of storeContract(open)) test(name, run)
})
