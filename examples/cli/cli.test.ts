/** The tool as its users run it: as processes, against an authorization server that others wrote. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import ts from 'typescript'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createOidcServer, type OidcServer } from '../../test/oidc-server.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
let built: string
let home: string
let server: OidcServer
let tools: Server
/** Calls of the tool that were answered. */
let toolCalls = 0
const children = new Set<ChildProcess>()

/** Within the repository, so that the tool finds its packages. */
beforeAll(() => {
  const cache = join(here, '..', '..', '.cache')
  mkdirSync(cache, { recursive: true })
  built = mkdtempSync(join(cache, 'cli-'))
  for (const name of readdirSync(here).filter((name) => /^\w+\.ts$/.test(name))) {
    const { outputText } = ts.transpileModule(readFileSync(join(here, name), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ES2022,
        rewriteRelativeImportExtensions: true,
      },
    })
    writeFileSync(join(built, name.replace('.ts', '.js')), outputText)
  }
})
afterAll(() => rmSync(built, { recursive: true, force: true }))

beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  home = mkdtempSync(join(built, 'home-'))
  server = await createOidcServer({
    accessTokenLifetime: 600,
    clients: [
      {
        client_id: 'my-cli',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
    ],
  })
})
beforeEach(async () => {
  toolCalls = 0
  tools = createServer(async (request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const user = token && (await server.accountOf(token))
    if (!user) {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
      return
    }
    // Without sessions of its own: one server for each request.
    const mcp = new McpServer({ name: 'tools', version: '1' })
    mcp.registerTool('whoami', {}, async () => {
      toolCalls++
      return { content: [{ type: 'text', text: user }] }
    })
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    await mcp.connect(transport as Transport)
    await transport.handleRequest(request, response)
  }).listen(0, '127.0.0.1')
  await once(tools, 'listening')
})

afterEach(async () => {
  tools.closeAllConnections()
  tools.close()
  for (const child of children) child.kill('SIGKILL')
  await server.close()
  vi.restoreAllMocks()
})

interface Run {
  readonly output: () => string
  readonly ended: Promise<{ code: number | null; output: string; errors: string }>
  /** Resolves with what the tool prints after this word. */
  after(word: string): Promise<string>
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, [join(built, 'cli.js'), ...args], {
    env: {
      ...process.env,
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      MY_CLI_ISSUER: server.url,
      MY_CLI_API: server.url,
      MY_CLI_TOOLS: `http://127.0.0.1:${(tools.address() as AddressInfo).port}/mcp`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const ended = once(child, 'close').then(([code]) => {
    children.delete(child)
    return { code, output, errors }
  })
  return {
    output: () => output,
    ended,
    async after(word) {
      for (;;) {
        const found = new RegExp(`^${word} (.+)\n`, 'm').exec(output)?.[1]
        if (found) return found
        await Promise.race([once(child.stdout, 'data'), ended.then(() => Promise.reject(new Error(errors)))])
      }
    },
  }
}

/** A browser that agrees to everything: it follows redirects, keeps cookies, and sends forms as they are. */
async function browse(start: string): Promise<string> {
  const cookies = new Map<string, string>()
  let [url, body]: [string, URLSearchParams | undefined] = [start, undefined]
  for (let step = 0; step < 30; step++) {
    const response = await fetch(url, {
      redirect: 'manual',
      method: body ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; '), accept: 'text/html' },
      ...(body && { body }),
    })
    body = undefined
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value) cookies.set(name, value)
      else cookies.delete(name)
    }
    const location = response.headers.get('location')
    const page = await response.text()
    const form = /<form[^>]+action="([^"]+)"/.exec(page)?.[1]
    if (location) url = new URL(location, url).href
    else if (form) {
      url = new URL(form, url).href
      body = new URLSearchParams({ confirm: 'yes' })
      for (const [, name = '', value = ''] of page.matchAll(/name="([^"]+)" value="([^"]*)"/g))
        body.set(name, value)
    } else return page
  }
  throw new Error(`it leads nowhere: ${url}`)
}

async function login(): Promise<void> {
  const running = run('login')
  await browse(await running.after('Open'))
  expect(await running.ended).toMatchObject({ code: 0, errors: '' })
}

/** Takes back the access token in the file: the next request learns of it. */
async function expire(): Promise<void> {
  const folder = join(home, 'config', 'my-cli', 'login')
  const [newest = ''] = readdirSync(folder)
    .filter((name) => name.endsWith('.login.json'))
    .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))
  await server.refuse(JSON.parse(readFileSync(join(folder, newest), 'utf8')).record.tokens.accessToken)
}

test('login by a browser that comes back to a port of this machine, then every process is signed in', async () => {
  expect(await run('whoami').ended).toMatchObject({ code: 1, errors: 'Nobody is signed in: my-cli login\n' })
  const running = run('login')
  const url = await running.after('Open')
  // Somebody else on this machine knows the port, and not the state.
  const { origin } = new URL(String(new URL(url).searchParams.get('redirect_uri')))
  expect((await fetch(`${origin}/callback?code=stolen&state=guessed`)).status).toBe(404)
  expect(await browse(url)).toBe('You can close this window.')
  expect(await running.ended).toMatchObject({
    code: 0,
    errors: '',
    output: expect.stringContaining('signed in as alice'),
  })
  expect(await run('whoami').ended).toMatchObject({ code: 0, output: 'signed in as alice\n' })
  expect(server.refreshes).toBe(0)
})

test('login on another device', async () => {
  const running = run('login', '--device')
  await browse(await running.after('Open'))
  expect(await running.ended).toMatchObject({
    code: 0,
    errors: '',
    output: expect.stringContaining('signed in as alice'),
  })
  expect(await run('call', '/me', '3').ended).toMatchObject({ code: 0, output: '200\n200\n200\n' })
})

test('terminals and the workers of an agent host, which call tools of an MCP server, share one refresh at each expiry', async () => {
  await login()
  for (let cycle = 1; cycle <= 3; cycle++) {
    await expire()
    const runs = [run('call', '/me', '5'), run('whoami'), run('workers', '3', '5')]
    const ends = await Promise.all(runs.map(({ ended }) => ended))
    expect(ends.map(({ code, errors }) => [code, errors])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ])
    expect(ends[2]?.output).toContain('3 of 3 workers did their work')
    expect(toolCalls).toBe(cycle * 3 * 5)
    expect([server.refreshes, server.tokenRequests, server.reuses]).toEqual([cycle, cycle + 1, 0])
  }
})

test('logout in one terminal is one in all, at the server, too', async () => {
  await login()
  expect(await run('logout').ended).toMatchObject({ code: 0, output: 'signed out\n', errors: '' })
  for (const command of ['whoami', 'call'])
    expect(await run(command).ended).toMatchObject({ code: 1, errors: 'Nobody is signed in: my-cli login\n' })
  const folder = join(home, 'config', 'my-cli', 'login')
  for (const name of readdirSync(folder))
    expect(readFileSync(join(folder, name), 'utf8')).not.toMatch(/Token"/)
})
