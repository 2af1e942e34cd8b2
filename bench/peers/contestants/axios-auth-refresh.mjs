import axios from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'
import { exchange, viaAxios } from '../tokens.mjs'

export const name = 'axios-auth-refresh'
export const packages = ['axios-auth-refresh', 'axios']

export function open({ url, tokenEndpoint, tokens }, create = createAuthRefresh, options = {}) {
  const instance = axios.create({ baseURL: url })
  const mine = { ...tokens }
  instance.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${mine.access_token}`
    return config
  })
  const refresh = async (failedRequest) => {
    Object.assign(mine, await exchange(tokenEndpoint, mine.refresh_token))
    failedRequest.response.config.headers.Authorization = `Bearer ${mine.access_token}`
  }
  create(instance, refresh, options)
  return viaAxios(instance)
}
