import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { create } from 'react-test-renderer'
import type { Session } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { type AuthServer, createAuthServer } from 'refresh-once/testing'
import useSWR from 'swr'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { open, refreshAt } from '../test/setup.ts'
import { fetcher } from './clients/swr.ts'
import { getJson } from './clients/tanstack-query.ts'
import { createItemsApi, Queries, SignedIn, Store, SwrCache } from './react-caches.tsx'

beforeAll(() => {
  const { error } = console
  vi.spyOn(console, 'error').mockImplementation((...told) => {
    if (!String(told[0]).includes('react-test-renderer is deprecated')) error(...told)
  })
})
afterAll(() => void vi.restoreAllMocks())

let server: AuthServer
let session: Session
beforeEach(async () => {
  server = await createAuthServer()
  session = open({ tokens: null, refresh: refreshAt(server) })
})
afterEach(() => server.close())

interface Shown {
  user?: string | undefined
}

/** Each library: its cache, and a component that loads from a path. */
const libraries: [string, (authFetch: typeof fetch) => Library][] = [
  [
    'TanStack Query',
    (authFetch) => ({
      cache: (key, children) => <Queries key={key}>{children}</Queries>,
      useUser(path) {
        const load = (): Promise<Shown> => getJson(authFetch, server.url + path) as Promise<Shown>
        return useQuery({ queryKey: [path], queryFn: load }).data?.user
      },
    }),
  ],
  [
    'SWR',
    (authFetch) => ({
      cache: (key, children) => <SwrCache key={key}>{children}</SwrCache>,
      useUser(path) {
        const load = fetcher(authFetch)
        return useSWR<Shown>(path, (path: string) => load(server.url + path) as Promise<Shown>).data?.user
      },
    }),
  ],
  [
    'RTK Query',
    (authFetch) => {
      const api = createItemsApi(authFetch, server.url)
      return {
        cache: (key, children) => (
          <Store key={key} api={api}>
            {children}
          </Store>
        ),
        useUser: (path) => api.useItemQuery(path).data?.user,
      }
    },
  ],
]

interface Library {
  cache(key: string, children: ReactNode): ReactNode
  /** Whose item it is, by the API. */
  useUser(path: string): string | undefined
}

test.each(libraries)(
  '%s: another user sees nothing of the former one, not what is still on its way either, nor does nobody',
  async (_, make) => {
    const { cache, useUser } = make(withSession(session, { origins: [server.url] }))
    let shown: string[] = []
    function Item({ path }: { path: string }): string {
      const user = useUser(path) ?? 'loading'
      shown.push(user)
      return user
    }
    const page = create(
      <SignedIn session={session}>
        {(key) =>
          cache(
            key,
            <>
              <Item path="/api/items?id=1" />
              <Item path="/api/slow" />
            </>,
          )
        }
      </SignedIn>,
    )
    server.api('/api/slow', ({ user }) => ({ body: { user } }))
    const now = (): unknown => page.toJSON()
    await session.signIn(server.mint('alice'))
    await expect.poll(now).toEqual(['alice', 'alice'])
    await session.signOut()
    await expect.poll(now).toBe('nobody')

    const slow = server.hold('/api/slow')
    await session.signIn(server.mint('alice'))
    await slow.untilArrived()
    await expect.poll(now).toEqual(['alice', 'loading'])
    await session.signIn(server.mint('bob'))
    await expect.poll(now).toEqual(['bob', 'loading'])
    shown = []
    slow.release()
    await expect.poll(now).toEqual(['bob', 'bob'])
    expect(shown).not.toContain('alice')
    page.unmount()
  },
)
