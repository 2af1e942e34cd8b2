import { type AxiosInstance, isAxiosError } from 'axios'
import { findSessionError } from 'refresh-once'

/** What a page can say about a request that failed. */
export async function load(api: AxiosInstance, path: string): Promise<string> {
  try {
    return JSON.stringify((await api.get(path)).data)
  } catch (error) {
    const problem = findSessionError(error)
    if (problem?.code === 'session_expired') return 'Please sign in again.'
    if (problem?.code === 'refresh_failed') return `Please try again ${whenAfter(problem.retryAt)}.`
    if (problem) return `Please try again (${problem.code}).`
    return `The server says ${isAxiosError(error) ? error.response?.status : 'nothing'}.`
  }
}

function whenAfter(retryAt = 0): string {
  return retryAt > Date.now() ? `after ${new Date(retryAt).toLocaleTimeString()}` : 'now'
}
