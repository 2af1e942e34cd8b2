import createClient, { type Client } from 'openapi-fetch'

/** As openapi-typescript writes them. */
export interface paths {
  '/api/items': {
    get: {
      parameters: { query: { id: string } }
      responses: { 200: { content: { 'application/json': { id: string } } } }
    }
  }
  '/api/echo': {
    post: {
      requestBody: { content: { 'application/json': { text: string } } }
      responses: { 200: { content: { 'application/json': { bodyLength: number } } } }
    }
  }
}

export function createApi(authFetch: typeof fetch, url: string): Client<paths> {
  return createClient<paths>({ baseUrl: url, fetch: authFetch })
}
