import axios, { type AxiosInstance, type InternalAxiosRequestConfig } from 'axios'
import type { AuthServer } from 'refresh-once/testing'
import { startServer } from '../../setup.ts'

/** An app that is signed in at a server of its own, before it has called the package. */
export interface App {
  server: AuthServer
  api: AxiosInstance
  storage: { accessToken: string; refreshToken: string }
  /** As the README of axios-auth-refresh writes it: stores the token, and puts it into the failed request. */
  refresh(failedRequest: { response: { config: InternalAxiosRequestConfig } }): Promise<void>
  /** How often that was called. */
  refreshes(): number
}

export async function appOf({ handler = true } = {}): Promise<App> {
  const server = await startServer()
  const { access_token, refresh_token = '' } = server.mint('alice')
  const storage = { accessToken: access_token, refreshToken: refresh_token }
  const api = axios.create({ baseURL: server.url })
  if (handler)
    api.interceptors.request.use((config) => {
      config.headers.Authorization = `Bearer ${storage.accessToken}`
      return config
    })
  else api.defaults.headers.common.Authorization = `Bearer ${storage.accessToken}`
  let calls = 0
  return {
    server,
    api,
    storage,
    refreshes: () => calls,
    async refresh(failedRequest) {
      calls++
      const form = { grant_type: 'refresh_token', refresh_token: storage.refreshToken }
      const { data } = await axios.post(server.tokenEndpoint, new URLSearchParams(form))
      Object.assign(storage, { accessToken: data.access_token, refreshToken: data.refresh_token })
      failedRequest.response.config.headers.Authorization = `Bearer ${data.access_token}`
    },
  }
}
