/** The clients of the Model Context Protocol, as their users write them: with us, or as they come. */
import * as aiNewest from '@ai-sdk/mcp'
import * as clientNewest from '@modelcontextprotocol/client'
import * as sdkAuthNewest from '@modelcontextprotocol/sdk/client/auth.js'
import * as sdkNewest from '@modelcontextprotocol/sdk/client/index.js'
import * as sdkSseNewest from '@modelcontextprotocol/sdk/client/sse.js'
import * as sdkHttpNewest from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import * as aiOldest from 'ai-sdk-mcp-oldest'
import * as clientOldest from 'mcp-client-oldest'
import * as sdkAuthOldest from 'mcp-sdk-oldest/client/auth.js'
import * as sdkOldest from 'mcp-sdk-oldest/client/index.js'
import * as sdkSseOldest from 'mcp-sdk-oldest/client/sse.js'
import * as sdkHttpOldest from 'mcp-sdk-oldest/client/streamableHttp.js'
import { type McpSession, mcpSession } from 'refresh-once/mcp'
import type { AppProvider } from './provider.ts'

export type Kind = 'http' | 'sse'

/** A client that is connected. */
export interface Connection {
  /** What the server has told, asked by nobody. */
  readonly heard: string[]
  /** Ends the session of the protocol, at the server, too. */
  end(): Promise<void>
  /** @param resumable hears that the answer can be had once more where its stream is cut */
  call(tool: string, args?: Record<string, unknown>, resumable?: () => void): Promise<string>
  close(): Promise<void>
}

/** One release of one client. */
export interface Kit {
  readonly name: string
  /** An adapter for it. */
  session(
    provider: AppProvider,
    url: URL,
    more?: Partial<Parameters<typeof mcpSession<AppProvider>>[0]>,
  ): McpSession<AppProvider>
  connect(url: URL, kind: Kind, options: Partial<McpSession<AppProvider>>): Promise<Connection>
  /** The user has come back from the page. */
  finish(url: URL, kind: Kind, options: Partial<McpSession<AppProvider>>, back: URL): Promise<void>
}

/** A stream that was cut is opened anew, in milliseconds. */
const AT_ONCE = {
  initialReconnectionDelay: 50,
  maxReconnectionDelay: 50,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 20,
}

const textOf = (result: unknown): string => {
  const { content, isError } = result as { content: { text: string }[]; isError?: boolean }
  if (isError) throw new Error(content[0]?.text)
  return String(content[0]?.text)
}

/** Types of four releases have little in common: what is used here is called alike in all of them. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Loose = any

function official(name: string, auth: Loose, Client: Loose, http: Loose, sse: Loose): Kit {
  const transportOf = (url: URL, kind: Kind, options: object): Loose =>
    new (kind === 'http' ? http : sse)(url, options)
  return {
    name,
    session: (provider, url, more) => mcpSession({ auth, provider, url, ...more }),
    async connect(url, kind, options) {
      const client = new Client({ name: 'app', version: '1' })
      const heard: string[] = []
      client.fallbackNotificationHandler = async ({ params }: Loose) => void heard.push(params?.data)
      const transport = transportOf(url, kind, { ...options, reconnectionOptions: AT_ONCE })
      try {
        await client.connect(transport)
      } catch (error) {
        await transport.close()
        throw error
      }
      return {
        heard,
        async call(tool, args = {}, onresumptiontoken = () => {}) {
          const more = { onresumptiontoken }
          const params = { name: tool, arguments: args }
          return textOf(
            await (name.includes('/client')
              ? client.callTool(params, more)
              : client.callTool(params, undefined, more)),
          )
        },
        end: () => transport.terminateSession(),
        close: () => client.close(),
      }
    },
    async finish(url, kind, options, back) {
      const transport = transportOf(url, kind, options)
      await transport.finishAuth(back.searchParams.get('code'))
    },
  }
}

function ai(name: string, { auth, createMCPClient, experimental_createMCPClient }: Loose): Kit {
  const create = createMCPClient ?? experimental_createMCPClient
  return {
    name,
    session: (provider, url, more) => mcpSession({ auth, provider, url, ...more }),
    async connect(url, kind, options) {
      const client = await create({
        transport: { type: kind, url: url.href, redirect: 'follow', ...options },
      })
      const tools = await client.tools()
      return {
        call: async (tool, args = {}) =>
          textOf(await tools[tool].execute(args, { messages: [], toolCallId: '1' })),
        heard: [],
        end: () => client.close(),
        close: () => client.close(),
      }
    },
    async finish(url, _, { authProvider, fetch: fetchFn }, back) {
      await auth(authProvider, {
        serverUrl: url,
        authorizationCode: back.searchParams.get('code'),
        callbackState: back.searchParams.get('state') ?? undefined,
        fetchFn,
      })
    },
  }
}

const of = (auth: Loose, { Client }: Loose, http: Loose, sse: Loose): [Loose, Loose, Loose, Loose] => [
  auth.auth,
  Client,
  http.StreamableHTTPClientTransport,
  sse.SSEClientTransport,
]

export const kits: readonly Kit[] = [
  official('@modelcontextprotocol/sdk, newest', ...of(sdkAuthNewest, sdkNewest, sdkHttpNewest, sdkSseNewest)),
  official('@modelcontextprotocol/sdk, oldest', ...of(sdkAuthOldest, sdkOldest, sdkHttpOldest, sdkSseOldest)),
  official(
    '@modelcontextprotocol/client, newest',
    ...of(clientNewest, clientNewest, clientNewest, clientNewest),
  ),
  official(
    '@modelcontextprotocol/client, oldest',
    ...of(clientOldest, clientOldest, clientOldest, clientOldest),
  ),
  ai('@ai-sdk/mcp, newest', aiNewest),
  ai('@ai-sdk/mcp, oldest', aiOldest),
]
