import axios, { type AxiosResponse, getAdapter, type InternalAxiosRequestConfig } from 'axios'
import { type AuthServer, type AuthServerOptions, createAuthServer } from 'refresh-once/testing'
import { vi } from 'vitest'

/** Where the examples think that they are. */
const HOME = 'https://app.example.com'

/** A server, and the page that it serves. */
export interface Page {
  server: AuthServer
  /** The page's cookies, by name. */
  cookies: Map<string, string>
  close(): Promise<void>
}

/**
 * Lets the examples run as they are written, over real HTTP: their server is a `createAuthServer()`, `fetch` and
 * axios find it under the name `app.example.com`, relative URLs are the page's own, and cookies are kept as a
 * browser keeps them. Import an example after this.
 */
export async function openPage(options?: AuthServerOptions): Promise<Page> {
  const server = await createAuthServer(options)
  const cookies = new Map<string, string>()
  const { fetch } = globalThis
  const own = (url: string): string => url.replace(HOME, server.url)

  vi.stubGlobal('fetch', async (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    if (cookies.size && init.credentials === 'include') headers.set('cookie', written(cookies))
    const response = await fetch(own(new URL(url, HOME).href), { ...init, headers })
    keep(cookies, response.headers.getSetCookie())
    return response
  })

  const { adapter = 'http' } = axios.defaults
  axios.defaults.adapter = (config) => visit(config, own, cookies)

  return {
    server,
    cookies,
    async close() {
      axios.defaults.adapter = adapter
      vi.unstubAllGlobals()
      await server.close()
    },
  }
}

/** One axios request to the server behind the name. What comes back tells of the name alone. */
async function visit(
  config: InternalAxiosRequestConfig,
  own: (url: string) => string,
  cookies: Map<string, string>,
): Promise<AxiosResponse> {
  const { baseURL = '', url = '' } = config
  const sent = { ...config, baseURL: own(baseURL), url: own(url), proxy: false as const }
  if (cookies.size) sent.headers.set('cookie', written(cookies))
  const asWritten = (answer: object): void => void Object.assign(answer, { config, request: undefined })
  try {
    const response = await getAdapter('http')(sent)
    asWritten(response)
    keep(cookies, response.headers['set-cookie'] ?? [])
    return response
  } catch (error) {
    if (axios.isAxiosError(error)) {
      asWritten(error)
      if (error.response) asWritten(error.response)
    }
    throw error
  }
}

function written(cookies: Map<string, string>): string {
  return [...cookies].map((pair) => pair.join('=')).join('; ')
}

function keep(cookies: Map<string, string>, lines: readonly string[]): void {
  for (const line of lines) {
    const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(line) ?? []
    if (line.includes('Max-Age=0')) cookies.delete(name)
    else cookies.set(name, value)
  }
}
