import factory from 'axios-refresh-me'
import { exchange, viaAxios } from '../tokens.mjs'

export const name = 'axios-refresh-me'
export const packages = ['axios-refresh-me', 'axios']

export function open({ url, tokenEndpoint, tokens }, own = factory, options = {}) {
  const mine = { ...tokens }
  own.use({
    async refreshHandler() {
      Object.assign(mine, await exchange(tokenEndpoint, mine.refresh_token))
    },
    ...options,
  })
  own.interceptor.request.use((config) => {
    config.headers.Authorization = `Bearer ${mine.access_token}`
    return config
  })
  own.interceptor.response.use(
    (response) => response,
    (error) => Promise.reject(error),
  )
  return viaAxios(own.getInstance({ baseURL: url }))
}
