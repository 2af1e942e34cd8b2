import { QueryClient } from '@tanstack/query-core'
import axiosRetry, { isNetworkOrIdempotentRequestError } from 'axios-retry'
import { isSessionError } from 'refresh-once'
import { api } from './axios.ts'

// With its default condition axios-retry needs nothing. One of your own leaves session errors out.
axiosRetry(api, {
  retries: 3,
  retryCondition: (error) => !isSessionError(error) && isNetworkOrIdempotentRequestError(error),
})

// TanStack Query would try three times more, whatever the error.
export const queries: QueryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: (failures, error) => !isSessionError(error) && failures < 3 },
  },
})
