import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = new URL('../../', import.meta.url).pathname

/** A project of an app with this package as it is installed, and none of the types that come with Node. */
const app = mkdtempSync(join(tmpdir(), 'refresh-once-types-'))

beforeAll(() => {
  const packed = join(app, 'node_modules/refresh-once')
  mkdirSync(packed, { recursive: true })
  // The declarations, made from the source as it is.
  const build = [
    '-p',
    join(root, 'tsconfig.build.json'),
    '--emitDeclarationOnly',
    '--outDir',
    join(packed, 'dist'),
  ]
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...build], { cwd: root })
  cpSync(join(root, 'package.json'), join(packed, 'package.json'))
  symlinkSync(join(root, 'node_modules/axios'), join(app, 'node_modules/axios'))
  for (const name of [
    'sign-out',
    'errors',
    'observe',
    'fetch',
    'axios',
    'several-instances',
    'tabs',
    'storage',
    'cookie-mode',
    'skip-login',
    'business-codes',
    'apply-token',
    'websocket',
  ])
    cpSync(join(root, `examples/${name}.ts`), join(app, `${name}.ts`))
  writeFileSync(join(app, 'package.json'), '{ "type": "module" }')
  for (const [name, text] of Object.entries(PROGRAMS)) writeFileSync(join(app, name), text)
}, 120_000)

afterAll(() => rmSync(app, { recursive: true, force: true }))

const PROGRAMS: Record<string, string> = {
  'narrowing.ts': `
import { findSessionError, isSessionError, type SessionErrorCode } from 'refresh-once'
export function tell(error: unknown): SessionErrorCode | undefined {
  if (isSessionError(error, 'session_expired')) {
    const message: string | undefined = error.message
    const code: string | undefined = error.code
    return message && code ? 'session_expired' : undefined
  }
  const failed = findSessionError(error, 'refresh_failed')
  if (failed) {
    const code: 'refresh_failed' = failed.code
    const at: number | undefined = failed.retryAt
    return at ? code : undefined
  }
  return findSessionError(error)?.code
}
/** What is no session error is still an error. */
export const other = (error: Error): string => (isSessionError(error) ? String(error.cause) : error.message)
`,
  'drop-ins.ts': `
import axios, { type AxiosRequestConfig } from 'axios'
import createAuthRefreshInterceptor, { type AxiosAuthRefreshOptions, createAuthRefresh } from 'refresh-once/axios-auth-refresh'
import AxiosInstanceFactory, { type RequestObserverOptions } from 'refresh-once/axios-refresh-me'
const api = axios.create()
const options: AxiosAuthRefreshOptions = {
  statusCodes: [401],
  pauseInstanceWhileRefreshing: true,
  onRetry: (config: AxiosRequestConfig) => ({ ...config, baseURL: '' }),
}
createAuthRefreshInterceptor(api, async (failed) => failed.response.config.headers.Authorization, options)
createAuthRefresh(api, (failed: { config: AxiosRequestConfig }) => Promise.resolve(failed))
export const left = api.get('/x', { skipAuthRefresh: true })
const refreshing: RequestObserverOptions = { refreshHandler: async () => {}, retryCount: 1 }
AxiosInstanceFactory.use(refreshing)
AxiosInstanceFactory.interceptor.request.use((config) => config)
export const data = AxiosInstanceFactory.getInstance().get<{ id: number }>('/x').then(({ data }) => data.id)
`,
  'entries.ts': `
export * as browser from 'refresh-once/browser'
export * as cell from 'refresh-once/cell'
export * as devtools from 'refresh-once/devtools'
export * as mcp from 'refresh-once/mcp'
export * as pool from 'refresh-once/pool'
`,
  'config.ts': `
import axios from 'axios'
import { createAuth } from './attached.ts'
createAuth()
export const answer = axios.get('/x', { session: false })
export const upload = axios.post('/x', '', { session: { replay: false, body: () => '' } })
`,
  'attached.ts': `
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
export function createAuth() {
  const session = createSession({
    tokens: { refreshToken: 'r' },
    refresh: ({ signal }) => fetch('/refresh', { method: 'POST', signal }),
  })
  void session.signIn()
  void session.signIn(new Response())
  attachSession(axios, session, { insecureOrigins: ['http://backend:3000'] })
  const authFetch = withSession(session)
  void authFetch('/x', { session: false })
  return [session.state.signIn, session.close()]
}
`,
}

const RESOLUTIONS = [
  { module: 'nodenext', moduleResolution: 'nodenext' },
  { module: 'esnext', moduleResolution: 'bundler' },
]

for (const compiler of ['typescript-oldest', 'typescript'])
  for (const resolution of RESOLUTIONS)
    test(`${compiler}, ${resolution.moduleResolution}: strict, with all libraries checked, without the types of Node`, () => {
      const compilerOptions = {
        ...resolution,
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
        skipLibCheck: false,
        allowImportingTsExtensions: true,
        target: 'es2022',
        lib: ['es2022', 'dom', 'dom.iterable'],
        types: [],
      }
      writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
      const tsc = join(root, 'node_modules', compiler, 'bin/tsc')
      const { stdout } = spawnSync(process.execPath, [tsc, '-p', app], { encoding: 'utf8' })
      expect(stdout).toBe('')
    }, 120_000)

const IMPORT =
  "import { createSession } from 'refresh-once'\nexport const session = createSession({ refresh: () => 'x' })\n"
const LATER =
  "export const session = import('refresh-once').then(({ createSession }) => createSession({ refresh: () => 'x' }))\n"

/** Its axios is another module, with types of its own. */
const AXIOS = `
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { type AxiosAuthRefreshRequestConfig, createAuthRefresh } from 'refresh-once/axios-auth-refresh'
const api = axios.create()
attachSession(api, createSession({ refresh: () => 'x' }))
createAuthRefresh(axios, async () => {}, { retryInstance: api })
export const left = api.get('/x', { skipAuthRefresh: true } as AxiosAuthRefreshRequestConfig)
// @ts-expect-error
attachSession({ get: api.get }, createSession({ refresh: () => 'x' }))
`

/** A program in CommonJS, or of former days: what the compiler says of it. */
test.each([
  // Node runs it from 20.19 on, by `require`.
  ['typescript', 'nodenext', 'nodenext', 'main.cts', IMPORT, /^$/],
  ['typescript', 'nodenext', 'nodenext', 'axios.cts', AXIOS, /^$/],
  ['typescript', 'node16', 'node16', 'main.cts', IMPORT, /TS1479.*dynamic 'import\("refresh-once"\)'/s],
  ['typescript-oldest', 'node16', 'node16', 'main.cts', LATER, /^$/],
  [
    'typescript-oldest',
    'commonjs',
    'node10',
    'main.ts',
    IMPORT,
    // Later ones say which resolution would find it.
    /TS2307/,
  ],
])(
  '%s, module %s, resolution %s, %s',
  (compiler, module, moduleResolution, name, text, says) => {
    const folder = mkdtempSync(join(app, 'commonjs-'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }')
    writeFileSync(join(folder, name), text)
    const compilerOptions = {
      module,
      moduleResolution,
      strict: true,
      noEmit: true,
      target: 'es2022',
      lib: ['es2022', 'dom'],
      types: [],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [name] }))
    const tsc = join(root, 'node_modules', compiler, 'bin/tsc')
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { encoding: 'utf8' })
    expect(stdout).toMatch(says)
  },
  120_000,
)
