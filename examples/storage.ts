import { createSession, type KeyValueStorage, memoryStore, type Session } from 'refresh-once'

/** A session whose tokens, the refresh token among them, are kept in `storage`. */
export function openSession(storage: KeyValueStorage): Session {
  return createSession({
    store: memoryStore({ storage, key: 'my-app' }),
    // Where the storage holds nothing, nobody is signed in: there is no cookie that could know better.
    tokens: null,
    refresh: ({ tokens, signal }) =>
      fetch('https://app.example.com/refresh', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh_token: tokens?.refreshToken }),
        signal,
      }),
  })
}

/** What we use of expo-secure-store. */
interface SecureStore {
  getItemAsync(key: string): Promise<string | null>
  setItemAsync(key: string, value: string): Promise<void>
  deleteItemAsync(key: string): Promise<void>
}

/** The names of expo-secure-store, as a storage has them. */
export function secureStorage(secureStore: SecureStore): KeyValueStorage {
  return {
    getItem: (key) => secureStore.getItemAsync(key),
    setItem: (key, value) => secureStore.setItemAsync(key, value),
    removeItem: (key) => secureStore.deleteItemAsync(key),
  }
}
