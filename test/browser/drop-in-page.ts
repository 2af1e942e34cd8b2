/** A program for axios-auth-refresh, with its import changed. */
import axios from 'axios'
import createAuthRefreshInterceptor from 'refresh-once/axios-auth-refresh'

const api = axios.create()
const token = { access: '', refresh: '' }

api.interceptors.request.use((config) => {
  config.headers.Authorization = `Bearer ${token.access}`
  return config
})
createAuthRefreshInterceptor(api, async (failedRequest) => {
  const form = { grant_type: 'refresh_token', refresh_token: token.refresh }
  const { data } = await axios.post(`${api.defaults.baseURL}/token`, new URLSearchParams(form))
  Object.assign(token, { access: data.access_token, refresh: data.refresh_token })
  const { config } = failedRequest.response
  if (config.data) config.data = { ...JSON.parse(config.data), again: true }
})

export function signIn(baseURL: string, access: string, refresh: string): void {
  api.defaults.baseURL = baseURL
  Object.assign(token, { access, refresh })
}

export const post = (): Promise<string> =>
  api.post('/api/echo', { n: 1 }).then(({ data }) => atob(data.bodyBase64))

/** The status of a quick request, with as many slow ones before it as take all connections but its own. */
export function quick(slow: number): Promise<number> {
  const first = api.get('/api/items')
  for (let n = 0; n < slow; n++) api.get(`/api/slow?n=${n}`).catch(() => {})
  return first.then(({ status }) => status)
}
