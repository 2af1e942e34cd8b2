import { setImmediate as macrotask } from 'node:timers/promises'
import type { KeyValueStorage } from 'refresh-once'

/** localStorage, as far as a session sees it. */
export function syncStorage(
  content = new Map<string, string>(),
): KeyValueStorage & { content: Map<string, string> } {
  return {
    content,
    getItem: (key) => content.get(key) ?? null,
    setItem: (key, value) => void content.set(key, value),
    removeItem: (key) => void content.delete(key),
  }
}

/** AsyncStorage and its kin. */
export function asyncStorage(content = new Map<string, string>()): ReturnType<typeof syncStorage> {
  const storage = syncStorage(content)
  return {
    content,
    async getItem(key) {
      await macrotask()
      return storage.getItem(key)
    },
    async setItem(key, value) {
      await macrotask()
      storage.setItem(key, value)
    },
    async removeItem(key) {
      await macrotask()
      storage.removeItem(key)
    },
  }
}
