/** A page that is an MCP client, whose login is shared with other tabs. */
import * as client from '@modelcontextprotocol/client'
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { browserStore } from 'refresh-once/browser'
import { mcpSession } from 'refresh-once/mcp'

declare global {
  interface Window {
    mcp: {
      /** Connects; resolves with the page to agree to, where nobody is signed in. */
      connect(kit: 'sdk' | 'client', origin: string): Promise<string | undefined>
      /** The user has agreed. */
      finish(code: string): Promise<void>
      /** So many calls at once, and how many were answered. */
      call(many: number, name: string): Promise<number>
    }
  }
}

// biome-ignore lint/suspicious/noExplicitAny: types of two releases have little in common
const kits: Record<string, any> = { sdk: { auth, Client, StreamableHTTPClientTransport }, client }

/** Apps keep the client where all of their tabs find it. */
const kept = (name: string) => ({
  read: () => JSON.parse(localStorage.getItem(name) ?? 'null') ?? undefined,
  write: (value: unknown) => localStorage.setItem(name, JSON.stringify(value)),
})
const registered = kept('client')
const verifier = kept('verifier')
const provider = {
  redirectUrl: `${location.origin}/callback`,
  clientMetadata: {
    client_name: 'page',
    redirect_uris: [`${location.origin}/callback`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  page: '',
  clientInformation: registered.read,
  saveClientInformation: registered.write,
  tokens() {},
  saveTokens() {},
  redirectToAuthorization(page: URL) {
    provider.page = page.href
  },
  saveCodeVerifier: verifier.write,
  codeVerifier: verifier.read,
}

// biome-ignore lint/suspicious/noExplicitAny: see above
let open: any
// biome-ignore lint/suspicious/noExplicitAny: see above
let transport: any
let again = (): Promise<string | undefined> => Promise.resolve(undefined)

window.mcp = {
  async connect(name, origin) {
    const { auth, Client, StreamableHTTPClientTransport } = kits[name]
    const url = new URL('/mcp', origin)
    const mcp = mcpSession({ auth, provider, url, store: browserStore({ name: `${name} ${url.href}` }) })
    again = async () => {
      open = new Client({ name: 'page', version: '1' })
      transport = new StreamableHTTPClientTransport(url, mcp)
      try {
        await open.connect(transport)
        return undefined
      } catch (error) {
        if (!provider.page) throw error
        return provider.page
      }
    }
    return again()
  },
  async finish(code) {
    await transport.finishAuth(code)
    provider.page = ''
    await again()
  },
  async call(many, name) {
    const calls = Array.from({ length: many }, (_, index) =>
      open.callTool({ name: 'add', arguments: { key: `${name}-${index}` } }),
    )
    const answers = await Promise.all(calls)
    return answers.filter(({ content }) => content[0]?.text).length
  },
}
