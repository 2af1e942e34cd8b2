import axios, { type AxiosError, type AxiosInstance } from 'axios'
import {
  type AxiosInstanceFactory,
  createFactory,
  type RequestObserverOptions,
} from 'refresh-once/axios-refresh-me'
import type { AuthServer, AuthServerOptions, ReceivedRequest } from 'refresh-once/testing'
import { startServer } from '../../setup.ts'

export interface Stage {
  server: AuthServer
  factory: AxiosInstanceFactory
  api: AxiosInstance
  /** What the app keeps: its request handler and its refresh handler work on these. */
  storage: { accessToken: string; refreshToken: string }
  /** What arrived whole at guarded routes. */
  received: ReceivedRequest[]
  /** How often the refresh handler was called. */
  refreshes(): number
  /** A login, of which the factory hears nothing. */
  login(): void
}

/** An app as the README of axios-refresh-me teaches it, signed in at a server of its own. */
export async function stage(
  options: Partial<RequestObserverOptions> = {},
  serverOptions: AuthServerOptions = {},
): Promise<Stage> {
  const received: ReceivedRequest[] = []
  const server = await startServer({ ...serverOptions, onRequest: (request) => received.push(request) })
  const storage = { accessToken: '', refreshToken: '' }
  const login = (): void => {
    const { access_token, refresh_token = '' } = server.mint('alice')
    Object.assign(storage, { accessToken: access_token, refreshToken: refresh_token })
  }
  let calls = 0
  login()
  const factory = createFactory()
  factory.use({
    async refreshHandler() {
      calls++
      const { data } = await axios.post(
        server.tokenEndpoint,
        new URLSearchParams({ grant_type: 'refresh_token', refresh_token: storage.refreshToken }),
      )
      Object.assign(storage, { accessToken: data.access_token, refreshToken: data.refresh_token })
    },
    ...options,
  })
  factory.interceptor.request.use((config) => {
    config.headers.Authorization = `Bearer ${storage.accessToken}`
    return config
  })
  const api = factory.getInstance({ baseURL: server.url })
  return { server, factory, api, storage, received, refreshes: () => calls, login }
}

/** The AxiosError that a request rejects with. Call it at once: it also takes care of the rejection. */
export async function errorOf(request: Promise<unknown>): Promise<AxiosError> {
  const [outcome] = await Promise.allSettled([request])
  if (outcome.status === 'rejected' && axios.isAxiosError(outcome.reason)) return outcome.reason
  throw new Error('expected an AxiosError', { cause: outcome })
}
