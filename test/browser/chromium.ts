import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import type { SessionEvent } from 'refresh-once'
import type { AuthServer, AuthServerOptions, ReceivedRequest, TokenResponse } from 'refresh-once/testing'
import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { startServer } from '../setup.ts'
import { bundle } from './bundle.ts'
import type { Beginning } from './entry.ts'
import { startChromium } from './launch.ts'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

interface PageOptions {
  server?: AuthServerOptions
  /** The API, where it is another origin than the page's. @default the page's own server */
  api?: AuthServer
  session?: Beginning['session']
  client?: Beginning['client']
  attach?: Beginning['attach']
  fetch?: Beginning['fetch']
  credentials?: Beginning['credentials']
}

/** A page that is signed in at a server. */
interface Visit {
  /** Where the page comes from. */
  server: AuthServer
  page: Page
  tokens: TokenResponse
  /** What arrived whole at guarded routes of the page's own server. */
  received: ReceivedRequest[]
  /** What the session in the page has told. */
  events: SessionEvent[]
  /** Resolves once the session in the page has told `count` events of a type. */
  until(type: SessionEvent['type'], count?: number): Promise<void>
}

interface Chromium {
  /** Opens a page in a profile of its own; closed when the test is over. */
  visit(options?: PageOptions): Promise<Visit>
  close(): Promise<void>
}

/** One Chromium for the tests of a file: there before the first, and gone after the last. */
export function shareChromium(): Pick<Chromium, 'visit'> {
  let browser: Chromium | undefined
  beforeAll(async () => {
    browser = await launchChromium()
  }, 120_000)
  afterAll(() => browser?.close(), 30_000)
  return {
    async visit(options) {
      if (!browser) throw new Error('the browser has not started')
      return browser.visit(options)
    },
  }
}

/** All that the server saw of a request, but for the token. */
export function seenOf({ method, url, headers, body }: ReceivedRequest) {
  const { authorization, ...others } = headers
  return { method, url, headers: others, body: body.toString('latin1') }
}

/** One real Chromium, and the script that its pages load. */
async function launchChromium(): Promise<Chromium> {
  const script = await bundle(file('./entry.ts'))
  const browser = await startChromium()

  async function visit(options: PageOptions = {}): Promise<Visit> {
    const received: ReceivedRequest[] = []
    const server = await startServer({
      ...options.server,
      onRequest: (request) => received.push(request),
      fallback: ({ url }, response) => {
        const isScript = url === '/page.js'
        response.writeHead(isScript || url === '/' ? 200 : 404, {
          'content-type': isScript ? 'text/javascript' : 'text/html',
        })
        response.end(isScript ? script : '<!doctype html><title>page</title><script src="/page.js"></script>')
      },
    })
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)

    const events: SessionEvent[] = []
    const waiting = new Set<() => void>()
    await page.exposeFunction('tell', (event: SessionEvent) => {
      events.push(event)
      for (const look of [...waiting]) look()
    })
    const until = (type: SessionEvent['type'], count = 1): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (events.filter((event) => event.type === type).length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      })

    const api = options.api ?? server
    const tokens = api.mint()
    await page.goto(server.url)
    const cookies = options.session?.mode === 'cookie'
    await page.evaluate((beginning) => window.kit.begin(beginning), {
      refreshAt: cookies ? `${api.url}/refresh?cookie` : api.tokenEndpoint,
      session: { ...(cookies ? {} : { tokens: { ...tokens } }), ...options.session },
      client: { ...options.client },
      attach: { ...options.attach },
      fetch: { ...options.fetch },
      credentials: options.credentials,
    } as Beginning)
    return { server, page, tokens, received, events, until }
  }

  return { visit, close: () => browser.close() }
}
