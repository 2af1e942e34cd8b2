/** What tests of one client on one server share. */
import type { SessionStore } from 'refresh-once'
import type { McpSession } from 'refresh-once/mcp'
import { afterEach, beforeEach, vi } from 'vitest'
import { times } from '../setup.ts'
import type { Connection, Kind, Kit } from './kits.ts'
import { AppProvider } from './provider.ts'
import { startWorld, type World } from './world.ts'

/** What is closed after each test, the last first. */
export const closing: (() => unknown)[] = []
// Clients tell of each refusal there.
beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => {}))
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

export interface Stage {
  world: World
  provider: AppProvider
  mcp: McpSession<AppProvider>
  /** Connects, and signs in where it has to. */
  open(mcp?: McpSession<AppProvider>): Promise<Connection>
  connect(mcp?: McpSession<AppProvider>): Promise<Connection>
  finish(code?: string): Promise<void>
  /** Another adapter, as another process or another start would have it. */
  again(more?: { store?: SessionStore; provider?: AppProvider }): McpSession<AppProvider>
}

export async function setUp(
  kit: Kit,
  kind: Kind,
  {
    provider = new AppProvider(),
    path = kind === 'http' ? '/mcp' : '/sse',
    server = {},
    ...more
  }: {
    provider?: AppProvider
    path?: string
    store?: SessionStore
    fetch?: typeof fetch
    server?: Parameters<typeof startWorld>[0]
  } = {},
): Promise<Stage> {
  const world = await startWorld(server)
  closing.push(() => world.close())
  const url = new URL(world.origin + path)
  const open = (own: AppProvider, options: object): McpSession<AppProvider> => {
    const mcp = kit.session(own, url, { retries: 0, ...options })
    closing.push(() => mcp.session.close())
    return mcp
  }
  const mcp = open(provider, more)
  const stage: Stage = {
    world,
    provider,
    mcp,
    again: ({ provider: other = provider, ...rest } = {}) => open(other, { ...more, ...rest }),
    async connect(own = mcp) {
      const connection = await kit.connect(url, kind, own)
      closing.push(() => connection.close().catch(() => {}))
      return connection
    },
    async finish(code) {
      const back = await world.consent(provider.pages.at(-1))
      if (code) back.searchParams.set('code', code)
      await kit.finish(url, kind, mcp, back)
    },
    async open(own = mcp) {
      try {
        return await stage.connect(own)
      } catch (error) {
        if (!/Unauthorized|REDIRECT/i.test(`${Object(error).constructor.name} ${error}`)) throw error
        await kit.finish(url, kind, own, await world.consent(provider.pages.at(-1)))
        return await stage.connect(own)
      }
    },
  }
  return stage
}

/** So many calls at once; their answers, or what they failed with. */
export function calls(connection: Connection, many: number, round = 0): Promise<string[]> {
  return Promise.all(
    times(many, (index) => connection.call('add', { key: `${round}-${index}` }).catch((error) => `${error}`)),
  )
}
export const keys = (many: number, round = 0): string[] => times(many, (index) => `${round}-${index}`)

/** In our way or not: a login was opened. */
export const isLogin = (error: unknown): boolean =>
  /Unauthorized/i.test(`${Object(error).constructor.name} ${error}`)
