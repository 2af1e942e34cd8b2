import { createElement } from 'react'
import { create as render } from 'react-test-renderer'
import useSWR, { SWRConfig, type SWRConfiguration } from 'swr'
import useSWRMutation from 'swr/mutation'
import { vi } from 'vitest'
import { fetcher, swrOptions } from '../../examples/clients/swr.ts'
import { deferred } from '../setup.ts'
import { isUnauthorized, type Json, overAxios } from './json.ts'
import { type Ground, prove } from './suite.ts'

// This renderer says with each use that components are better tested in a DOM. These show nothing.
const { error } = console
vi.spyOn(console, 'error').mockImplementation((...told) => {
  if (!String(told[0]).includes('react-test-renderer is deprecated')) error(...told)
})

const overFetch = ({ fetch, url }: Ground): Json => {
  const get = fetcher(fetch)
  return {
    get: (path) => get(url + path),
    post: (path, body) => fetch(url + path, { method: 'POST', body: JSON.stringify(body) }),
  }
}

const bases = [
  ['fetch', overFetch],
  ['axios', overAxios],
] as const

/** What the recipe says, a cache of its own, and no time between attempts: React shows an error after the next one. */
const options = (): SWRConfiguration & { provider(): Map<string, object> } => {
  const cache = new Map()
  return {
    ...swrOptions,
    provider: () => cache,
    onErrorRetry: (_error, _key, _config, revalidate, attempt) => {
      if (attempt.retryCount < 4) revalidate(attempt)
    },
  }
}

/** What the hook of a component returns, once that is an answer or an error. */
async function settled<T>(
  value: SWRConfiguration,
  use: () => { data: T | undefined; error: unknown },
): Promise<T> {
  const { promise, resolve, reject } = deferred<T>()
  function Component(): null {
    const { data, error } = use()
    if (data !== undefined) resolve(data)
    if (error !== undefined) reject(error)
    return null
  }
  const root = render(createElement(SWRConfig, { value }, createElement(Component)))
  try {
    return await promise
  } finally {
    root.unmount()
  }
}

for (const [base, over] of bases) {
  prove({
    name: `SWR over ${base}`,
    path: '/api/*',
    create(ground) {
      const json = over(ground)
      const shared = options()
      return {
        async query(id) {
          const get = (path: string): Promise<unknown> => json.get(path, undefined)
          const item = await settled(shared, () => useSWR<unknown>(`/api/items?id=${id}`, get))
          return Object(item).id
        },
        async mutate(text) {
          const post = (path: string): Promise<unknown> => json.post(path, { text })
          const { promise: trigger, resolve } = deferred<() => Promise<unknown>>()
          function Component(): null {
            resolve(useSWRMutation('/api/echo', post).trigger)
            return null
          }
          const root = render(createElement(SWRConfig, { value: shared }, createElement(Component)))
          await (await trigger)()
          root.unmount()
        },
      }
    },
    unauthorized: isUnauthorized,
    without: { abort: 'it aborts nothing' },
  })
}
