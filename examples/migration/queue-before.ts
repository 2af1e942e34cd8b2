import axios, { type AxiosInstance } from 'axios'

interface Tokens {
  access: string
  refresh: string
}

export function createApi(url: string, tokens: Tokens): AxiosInstance {
  const api = axios.create({ baseURL: url })
  let isRefreshing = false
  let failedQueue: { resolve(): void; reject(error: unknown): void }[] = []

  api.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${tokens.access}`
    return config
  })
  api.interceptors.response.use(undefined, async (error) => {
    const original = error.config
    if (error.response?.status !== 401 || original._retry) throw error
    original._retry = true
    if (isRefreshing) {
      await new Promise<void>((resolve, reject) => failedQueue.push({ resolve, reject }))
      return api(original)
    }
    isRefreshing = true
    try {
      const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh })
      const { data } = await axios.post(`${url}/token`, form)
      Object.assign(tokens, { access: data.access_token, refresh: data.refresh_token })
      for (const { resolve } of failedQueue) resolve()
    } catch (failure) {
      for (const { reject } of failedQueue) reject(failure)
      throw failure
    } finally {
      failedQueue = []
      isRefreshing = false
    }
    return api(original)
  })
  return api
}
