import axios, { type AxiosInstance } from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'

interface Tokens {
  access: string
  refresh: string
}

export function createApi(url: string, { access, refresh }: Tokens): AxiosInstance {
  const session = createSession({
    tokens: { accessToken: access, refreshToken: refresh },
    refresh: ({ tokens, signal }) =>
      fetch(`${url}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
        signal,
      }),
  })
  const api = axios.create({ baseURL: url })
  attachSession(api, session)
  return api
}
