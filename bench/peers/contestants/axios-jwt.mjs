import axios from 'axios'
import { exchange, viaAxios } from '../tokens.mjs'

export const name = 'axios-jwt'
export const packages = ['axios-jwt', 'axios']

/** In memory, by its own interface of a storage. */
function storage() {
  const items = new Map()
  return {
    get: async (key) => items.get(key),
    set: async (key, value) => void items.set(key, value),
    remove: async (key) => void items.delete(key),
  }
}

export async function open({ url, tokenEndpoint, tokens }) {
  const kept = storage()
  // It looks for a browser's when it is loaded.
  globalThis.localStorage = kept
  const { applyAuthTokenInterceptor, setAuthTokens } = await import('axios-jwt')
  const instance = axios.create({ baseURL: url })
  applyAuthTokenInterceptor(instance, {
    getStorage: () => kept,
    async requestRefresh(refreshToken) {
      const fresh = await exchange(tokenEndpoint, refreshToken)
      return { accessToken: fresh.access_token, refreshToken: fresh.refresh_token }
    },
  })
  await setAuthTokens({ accessToken: tokens.access_token, refreshToken: tokens.refresh_token })
  return viaAxios(instance)
}
