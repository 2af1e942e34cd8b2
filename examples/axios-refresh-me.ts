import type { AxiosInstance } from 'axios'
import AxiosInstanceFactory from 'refresh-once/axios-refresh-me'

/** The app's own: its access token is in memory, its refresh token an HttpOnly cookie. */
export const storage = { accessToken: '' }

AxiosInstanceFactory.use({
  async refreshHandler() {
    const response = await fetch('/refresh', { method: 'POST', credentials: 'include' })
    // What it means, a refusal or a failure for now, is read from the response.
    if (!response.ok) throw response
    storage.accessToken = (await response.json()).access_token
  },
  statusCodes: [401],
  retryCount: 1,
})

AxiosInstanceFactory.interceptor.request.use((config) => {
  config.headers.Authorization = `Bearer ${storage.accessToken}`
  return config
})

export const api: AxiosInstance = AxiosInstanceFactory.getInstance({ baseURL: 'https://app.example.com' })

export async function fetchData(id: number): Promise<unknown> {
  return (await api.get('/api/items', { params: { id } })).data
}
