import { configureStore } from '@reduxjs/toolkit'
import { createApi } from '@reduxjs/toolkit/query/react'
import { QueryClientProvider } from '@tanstack/react-query'
import { type PropsWithChildren, type ReactNode, useState } from 'react'
import { Provider } from 'react-redux'
import type { Session } from 'refresh-once'
import { useSession } from 'refresh-once/react'
import { SWRConfig } from 'swr'
import { createBaseQuery } from './clients/rtk-query.ts'
import { swrOptions } from './clients/swr.ts'
import { createQueries } from './clients/tanstack-query.ts'

/** TanStack Query: a client for each user. */
export function Queries({ children }: PropsWithChildren) {
  const [queries] = useState(createQueries)
  return <QueryClientProvider client={queries}>{children}</QueryClientProvider>
}

/** SWR: a cache for each user. */
export function SwrCache({ children }: PropsWithChildren) {
  const [cache] = useState(() => new Map())
  return <SWRConfig value={{ ...swrOptions, provider: () => cache }}>{children}</SWRConfig>
}

/** The API of RTK Query. */
export function createItemsApi(authFetch: typeof fetch, baseUrl: string) {
  return createApi({
    baseQuery: createBaseQuery(authFetch, baseUrl),
    endpoints: (build) => ({ item: build.query<{ user: string }, string>({ query: (path) => path }) }),
  })
}

/** RTK Query: a store for each user. */
export function Store({ api, children }: PropsWithChildren<{ api: ReturnType<typeof createItemsApi> }>) {
  const [store] = useState(() =>
    configureStore({
      reducer: { [api.reducerPath]: api.reducer },
      middleware: (standard) => standard().concat(api.middleware),
    }),
  )
  return <Provider store={store}>{children}</Provider>
}

/** What belongs to one user: with another one all of it begins anew, the state of components, too. */
export function SignedIn({ session, children }: { session: Session; children: (key: string) => ReactNode }) {
  const { state, signedIn } = useSession(session)
  return signedIn ? children(state.signIn ?? '') : 'nobody'
}
