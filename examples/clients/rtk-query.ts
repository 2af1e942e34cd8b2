import { createAsyncThunk, miniSerializeError } from '@reduxjs/toolkit'
import {
  type BaseQueryFn,
  type FetchArgs,
  type FetchBaseQueryError,
  fetchBaseQuery,
  retry,
} from '@reduxjs/toolkit/query'
import { findSessionError, type SessionError } from 'refresh-once'

type BaseQuery = BaseQueryFn<string | FetchArgs, unknown, FetchBaseQueryError>

/** A session error as a store can keep it. `isSessionError` knows it by its `data`. */
function failureOf({ name, code, message }: SessionError): FetchBaseQueryError {
  return { status: 'CUSTOM_ERROR', error: message, data: { name, code, message } }
}

export function createBaseQuery(authFetch: typeof fetch, baseUrl: string): BaseQuery {
  const query: BaseQuery = async (args, api, extra) => {
    let told: unknown
    const answer = await fetchBaseQuery({
      baseUrl,
      // Of an error it keeps a text, of a response a copy: neither knows of the session.
      async fetchFn(...request) {
        const sent = authFetch(...request)
        told = await sent.catch((error: unknown) => error)
        return sent
      },
    })(args, api, extra)
    const problem = findSessionError(told)
    // Without this it would try five times more, whatever the session has said.
    if (problem) retry.fail(failureOf(problem), answer.meta)
    return answer
  }
  return retry(query, { maxRetries: 5 })
}

/** A thunk that rejects with a session error where one is behind its error; of others it keeps name, message and code. */
export function createThunk<T>(type: string, load: () => Promise<T>) {
  return createAsyncThunk(type, load, {
    serializeError: (error) => miniSerializeError(findSessionError(error) ?? error),
  })
}
