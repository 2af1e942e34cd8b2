import axios, { type AxiosInstance } from 'axios'
import { createAuthRefresh } from 'refresh-once/axios-auth-refresh'

/** The app's own: its access token is in memory, its refresh token an HttpOnly cookie. */
export const storage = { accessToken: '' }

export const api: AxiosInstance = axios.create({ baseURL: 'https://app.example.com' })

api.interceptors.request.use((config) => {
  config.headers.Authorization = `Bearer ${storage.accessToken}`
  return config
})

createAuthRefresh(api, async (failedRequest) => {
  const { data } = await axios.post('https://app.example.com/refresh')
  storage.accessToken = data.access_token
  failedRequest.response.config.headers.Authorization = `Bearer ${data.access_token}`
})
