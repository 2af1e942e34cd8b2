/**
 * `npm run newcomer`: ten small apps, each as somebody would begin: an empty folder, `npm install` of what `npm pack` has
 * made beside the newest of what else it needs, and its own tool. `npm run newcomer -- jest bun` picks some.
 *
 * All of them are written into docs/newcomer.md. They need the npm registry, Chromium, redis-server, and for Deno and Bun
 * Linux x64.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { ensureRuntimes, installedRuntimes } from './runtimes.mjs'
import { ensureBuilt, ensureChromium, ensurePackages, ensureRedis, root } from './setup.mjs'

const SOURCES = join(root, 'test', 'newcomer')
const PAGE = join(root, 'docs', 'newcomer.md')

/** What a life has to come to. */
const EXPECTED = {
  first: 'alice',
  expired: ['alice', 'alice', 'alice'],
  other: 'bob',
  status: 'signed-out',
}

/** `build`: arguments of npx. `serve`: the folder that it has made. `run`: a program and its arguments. */
const APPS = [
  {
    name: 'Vite with React',
    folder: 'vite-react',
    packages: ['axios', 'react', 'react-dom', 'vite', '@vitejs/plugin-react'],
    inside: 'src',
    build: ['vite', 'build'],
    serve: 'dist',
  },
  {
    name: 'Vite with Vue',
    folder: 'vite-vue',
    packages: ['vue', 'vite', '@vitejs/plugin-vue'],
    inside: 'src',
    build: ['vite', 'build'],
    serve: 'dist',
  },
  {
    name: 'Next.js',
    folder: 'next',
    packages: ['next', 'react', 'react-dom'],
    build: ['next', 'build'],
    start: ['next', 'start', '--hostname', '127.0.0.1', '--port'],
  },
  {
    name: 'Expo export, web and Android',
    folder: 'expo',
    // Those that this Expo says.
    packages: [
      'expo@57',
      'react@19.2.3',
      'react-dom@19.2.3',
      'react-native@0.86.3',
      'react-native-web@0.21',
      '@expo/metro-runtime@57',
      'babel-preset-expo@57',
    ],
    build: ['expo', 'export', '--platform', 'all', '--no-bytecode'],
    serve: 'dist',
  },
  {
    name: 'Express with Redis',
    folder: 'express-redis',
    packages: ['express', 'redis'],
    redis: true,
    run: ['node', 'main.js'],
  },
  { name: 'a plain script', folder: 'script', packages: [], run: ['node', 'main.js'] },
  {
    name: 'Jest',
    folder: 'jest',
    packages: ['axios', 'jest', 'babel-jest', '@babel/core', '@babel/preset-env'],
    run: ['npx', 'jest'],
  },
  { name: 'CommonJS', folder: 'commonjs', packages: ['axios'], run: ['Node 22', 'main.cjs'] },
  {
    name: 'Deno',
    folder: 'deno',
    packages: [],
    run: ['Deno', 'run', '--allow-net', '--allow-env', 'main.js'],
  },
  { name: 'Bun', folder: 'bun', packages: [], run: ['Bun', 'main.js'] },
]

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

ensurePackages()
ensureBuilt()
const { createAuthServer } = await import('../dist/testing/index.js')
await ensureRuntimes()
const chromium = await ensureChromium()
const redisProgram = await ensureRedis()
const picked = process.argv.slice(2)
const apps = APPS.filter(({ folder }) => picked.length === 0 || picked.includes(folder))
const place = mkdtempSync(join(tmpdir(), 'newcomer-'))
const rows = []
try {
  const tarball = await pack()
  for (const app of apps) {
    const row = await tryOut(app, tarball)
    console.log(
      `${row.problem ? 'FAILED' : 'ok'}  ${app.name}, ${row.seconds} s${row.problem ? `: ${row.problem}` : ''}`,
    )
    rows.push(row)
  }
  if (apps.length === APPS.length) writeTable(rows)
} finally {
  rmSync(place, { recursive: true, force: true })
}
if (rows.some(({ problem }) => problem)) process.exitCode = 1

async function pack() {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', place]
  const [{ filename }] = JSON.parse(await output(root, 'npm', args))
  return join(place, filename)
}

async function tryOut(app, tarball) {
  const started = performance.now()
  const site = { folder: undefined }
  const server = await createAuthServer({
    fallback: (request, response) => answer(site, server, request, response),
  })
  try {
    const folder = await install(app, tarball)
    const env = { API: server.url, NEXT_TELEMETRY_DISABLED: '1', EXPO_NO_TELEMETRY: '1', CI: '1' }
    if (app.build) await output(folder, 'npx', ['--no', ...app.build], env)
    if (app.serve) site.folder = join(folder, app.serve)
    const result = await (app.run ? runIt(app, folder, env) : openIt(app, folder, env, server.url))
    const problem = problemOf(result, server)
    return { app: app.name, versions: versionsIn(app, folder), problem, seconds: secondsSince(started) }
  } catch (error) {
    return {
      app: app.name,
      versions: '',
      problem: String(error.message ?? error),
      seconds: secondsSince(started),
    }
  } finally {
    await server.close()
  }
}

/** An empty folder, what the app is, and what it needs. */
async function install({ folder: name, packages, inside = '.' }, tarball) {
  const folder = join(place, name)
  cpSync(join(SOURCES, name), folder, { recursive: true })
  for (const file of ['life.js', 'server-side.js']) cpSync(join(SOURCES, file), join(folder, inside, file))
  writeFileSync(join(folder, 'package.json'), packageOf(name))
  await output(folder, 'npm', ['install', '--no-audit', '--no-fund', tarball, ...packages])
  return folder
}

function packageOf(name) {
  const described = { name, private: true, ...(/^(?:expo|jest)$/.test(name) ? {} : { type: 'module' }) }
  return JSON.stringify(name === 'expo' ? { ...described, main: 'index.js' } : described)
}

async function runIt({ run: [program, ...args], redis }, folder, env) {
  const own = installedRuntimes().find(({ name }) => name === program)
  const port = await freePort()
  const running = redis && spawn(redisProgram, ['--port', String(port), '--bind', '127.0.0.1', '--save', ''])
  if (running) await once(running.stdout, 'data')
  try {
    const told = await output(folder, own?.program ?? program, args, {
      ...env,
      REDIS: `redis://127.0.0.1:${port}`,
    })
    return JSON.parse(/^\{.*\}$/m.exec(told)?.[0] ?? 'null')
  } finally {
    running?.kill()
  }
}

/** A page: it is opened, started, and says what it has come to. */
async function openIt({ start }, folder, env, url) {
  const { chromium: engine } = await import('playwright-core')
  const port = await freePort()
  const options = { cwd: folder, env: { ...process.env, ...env }, detached: true }
  const site = start && spawn('npx', ['--no', ...start, String(port)], options)
  if (site) await once(site.stdout, 'data')
  const complaints = []
  const browser = await engine.launch({ executablePath: chromium, args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    await openWhenServed(page, site ? `http://127.0.0.1:${port}/` : url)
    await page.getByRole('button', { name: 'start' }).click()
    await page.waitForFunction(() => /[{"].+["}]/.test(document.body.innerText))
    const text = /[{"].+["}]/.exec(await page.locator('body').innerText())?.[0]
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${error.message} ${complaints.join('; ')}`)
  } finally {
    await browser.close()
    if (site) process.kill(-site.pid)
  }
}

async function openWhenServed(page, url) {
  for (let tries = 1; ; tries++) {
    try {
      return await page.goto(url)
    } catch (error) {
      if (tries === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

/** What the authorization server does not know by itself: the page, and what only this run wants. */
function answer(site, server, { url }, response) {
  const { pathname, search } = new URL(url, 'http://localhost')
  if (pathname === '/expire') {
    server.expireAccessTokens()
    return response.end()
  }
  if (pathname === '/mint') {
    response.writeHead(200, { 'content-type': 'application/json' })
    return response.end(JSON.stringify(server.mint(search.slice(1))))
  }
  const file = join(site.folder ?? '', pathname === '/' ? 'index.html' : pathname)
  if (!site.folder || !existsSync(file)) return response.writeHead(404).end()
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' })
  return response.end(readFileSync(file))
}

/** What is wrong with the life of an app, by its own word and the server's. */
function problemOf(result, server) {
  const { refused, ...told } = result ?? {}
  if (JSON.stringify(told) !== JSON.stringify(EXPECTED)) return `it came to ${JSON.stringify(result)}`
  // An answer 401 has no user in it.
  if (refused !== 'refused' && refused !== 'undefined') return `after the sign-out it was ${refused}`
  // The first one of a page finds out that nobody is signed in.
  const { refreshes, reuses } = server.count
  return refreshes === 1 && reuses === 0 ? undefined : `${refreshes} refreshes, ${reuses} reuses`
}

function versionsIn({ packages }, folder) {
  const names = packages
    .map((wanted) => wanted.replace(/(?<=.)@.*$/, ''))
    .filter((name) => !/babel|plugin|metro/.test(name))
  return names
    .map(
      (name) =>
        `${name} ${JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version}`,
    )
    .join(', ')
}

function writeTable(rows) {
  const text = readFileSync(PAGE, 'utf8')
  const lines = rows.map(
    ({ app, versions, problem }) =>
      `| ${app} | ${versions || '–'} | ${problem ? 'no' : 'yes, one refresh'} |`,
  )
  const table = [
    '| app | beside | sign-in, expiry, another user, sign-out |',
    '|---|---|---|',
    ...lines,
  ].join('\n')
  writeFileSync(
    PAGE,
    text.replace(
      /(<!-- made by npm run newcomer -->\n\n).*?(\n\n<!-- end -->)/s,
      (_, before, after) => before + table + after,
    ),
  )
}

/** Not synchronous: the server that the apps talk to is in this process. */
async function output(cwd, command, args, env = {}) {
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26, timeout: 240_000 }
  try {
    return (await promisify(execFile)(command, args, options)).stdout
  } catch (error) {
    const { stdout = '', stderr = '', message } = error
    throw new Error(`${command} ${args.join(' ')}: ${(stdout + stderr || message).slice(-1_500)}`)
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

function secondsSince(started) {
  return Math.round((performance.now() - started) / 1000)
}
