import ky from 'ky'
import { exchange, viaFetch } from '../tokens.mjs'

export const name = "ky's recipe"
export const packages = ['ky']

/** As its documentation of `afterResponse` shows it, with the refresh shared between requests. */
export function open({ url, tokenEndpoint, tokens }) {
  const mine = { ...tokens }
  let refreshing
  const refresh = () => {
    refreshing ??= exchange(tokenEndpoint, mine.refresh_token)
      .then((fresh) => Object.assign(mine, fresh))
      .finally(() => {
        refreshing = undefined
      })
    return refreshing
  }
  const api = ky.create({
    throwHttpErrors: false,
    timeout: false,
    retry: 0,
    hooks: {
      beforeRequest: [(request) => request.headers.set('Authorization', `Bearer ${mine.access_token}`)],
      afterResponse: [
        async (request, _, response) => {
          if (response.status !== 401) return
          await refresh()
          request.headers.set('Authorization', `Bearer ${mine.access_token}`)
          return ky(request, { throwHttpErrors: false, timeout: false, retry: 0 })
        },
      ],
    },
  })
  return viaFetch(api, url)
}
