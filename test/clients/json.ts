import axios, { type AxiosInstance, isAxiosError } from 'axios'
import { attachSession } from 'refresh-once/axios'
import type { Ground } from './suite.ts'

/** What a query function stands on: something that gets JSON, and sends some. */
export interface Json {
  get(path: string, signal: AbortSignal | undefined): Promise<unknown>
  post(path: string, body: object): Promise<unknown>
}

export function createAxios({ session, guarded, url }: Ground): AxiosInstance {
  const api = axios.create({ baseURL: url })
  if (guarded) attachSession(api, session)
  return api
}

export function overAxios(ground: Ground): Json {
  const api = createAxios(ground)
  return {
    get: async (path, signal) => (await api.get(path, signal ? { signal } : {})).data,
    post: async (path, body) => (await api.post(path, body)).data,
  }
}

export function isUnauthorized(error: Error): boolean {
  return isAxiosError(error) ? error.response?.status === 401 : Object(error.cause).status === 401
}
