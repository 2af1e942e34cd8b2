import { createAlova } from 'alova'
import { createServerTokenAuthentication } from 'alova/client'
import adapterFetch from 'alova/fetch'
import { exchange } from '../tokens.mjs'

export const name = 'alova'
export const packages = ['alova']

export function open({ url, tokenEndpoint, tokens }) {
  const mine = { ...tokens }
  const { onAuthRequired, onResponseRefreshToken } = createServerTokenAuthentication({
    refreshTokenOnSuccess: {
      isExpired: (response) => response.status === 401,
      async handler() {
        Object.assign(mine, await exchange(tokenEndpoint, mine.refresh_token))
      },
    },
    assignToken(method) {
      method.config.headers.Authorization = `Bearer ${mine.access_token}`
    },
  })
  const alova = createAlova({
    baseURL: url,
    requestAdapter: adapterFetch(),
    cacheFor: null,
    shareRequest: false,
    beforeRequest: onAuthRequired(),
    responded: onResponseRefreshToken(async (response) => {
      if (!response.ok)
        throw Object.assign(new Error(`answered ${response.status}`), { status: response.status })
      return { status: response.status, data: await response.json() }
    }),
  })
  return {
    request(path, { method = 'GET', body, signal } = {}) {
      const made = method === 'GET' ? alova.Get(path) : alova.Post(path, body)
      signal?.addEventListener('abort', () => made.abort())
      return made
    },
  }
}
