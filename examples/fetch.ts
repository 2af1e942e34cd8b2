import { withSession } from 'refresh-once/fetch'
import { session } from './axios.ts'

export const authFetch: typeof fetch = withSession(session, { origins: ['https://app.example.com'] })

/** As with fetch itself: a 401 is an answer, and no connection an error. */
export async function items(signal: AbortSignal): Promise<unknown> {
  const response = await authFetch('https://app.example.com/api/items', { signal })
  return response.json()
}
