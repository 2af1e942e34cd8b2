import OpenAI from 'openai'
import type { Session } from 'refresh-once'

export function createApi(session: Session, authFetch: typeof fetch, url: string): OpenAI {
  return new OpenAI({
    baseURL: `${url}/v1`,
    // The SDK tries again whatever fetch throws, and has no say in it. What is thrown here, it does not.
    apiKey: () => session.getAccessToken(),
    fetch: authFetch,
  })
}
