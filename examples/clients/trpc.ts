import {
  createTRPCClient,
  httpBatchLink,
  httpBatchStreamLink,
  retryLink,
  type TRPCClient,
  type TRPCLink,
} from '@trpc/client'
import { isSessionError } from 'refresh-once'
import type { AppRouter } from './trpc-router.ts'

/** With TypeScript's `exactOptionalPropertyTypes` not even the platform's own fetch fits tRPC's type of it. */
export type Fetch = NonNullable<Parameters<typeof httpBatchLink>[0]['fetch']>

const retry: TRPCLink<AppRouter> = retryLink({
  retry: ({ op, error, attempts }) =>
    op.type === 'query' && attempts < 3 && !isSessionError(error) && !isSessionError(error.meta?.response),
})

export function createApi(authFetch: Fetch, url: string): TRPCClient<AppRouter> {
  return createTRPCClient<AppRouter>({
    links: [retry, httpBatchLink({ url: `${url}/trpc`, fetch: authFetch })],
  })
}

export function createStreamingApi(authFetch: Fetch, url: string): TRPCClient<AppRouter> {
  return createTRPCClient<AppRouter>({
    links: [retry, httpBatchStreamLink({ url: `${url}/trpc`, fetch: authFetch })],
  })
}
