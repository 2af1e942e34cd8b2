import axios, { type AxiosInstance } from 'axios'
import { applyAuthTokenInterceptor, clearAuthTokens, type StorageType, setAuthTokens } from 'axios-jwt'

export interface App {
  api: AxiosInstance
  login(user: string): Promise<void>
  logout(): Promise<void>
}

export function createApp(url: string, storage: StorageType): App {
  const api = axios.create({ baseURL: url })
  // Its types take the axios of CommonJS.
  applyAuthTokenInterceptor(api as never, {
    getStorage: () => storage,
    async requestRefresh(refreshToken) {
      const { data } = await axios.post(`${url}/auth/refresh_token`, { token: refreshToken })
      return { accessToken: data.access_token, refreshToken: data.refresh_token }
    },
  })
  return {
    api,
    async login(user) {
      const { data } = await api.post('/auth/login', { user })
      await setAuthTokens({ accessToken: data.access_token, refreshToken: data.refresh_token })
    },
    logout: async () => clearAuthTokens(),
  }
}
