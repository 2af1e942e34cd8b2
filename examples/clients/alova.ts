import { createAlova } from 'alova'
import adapterFetch from 'alova/fetch'

export function createApi(authFetch: typeof fetch, url: string) {
  return createAlova({
    baseURL: url,
    requestAdapter: adapterFetch({ customFetch: authFetch }),
    cacheFor: null,
    async responded(response: Response) {
      if (!response.ok) throw response
      return response.json()
    },
  })
}
