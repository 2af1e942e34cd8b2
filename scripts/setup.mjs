/**
 * Gets an empty clone ready: the packages, the build, a browser.
 *
 * Node builtins only, because this runs before anything is installed. Every step looks first and does
 * nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a command in the repository, its output on this terminal; true when it exits with 0. */
export function run(command, args, env = {}) {
  return (
    spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status === 0
  )
}

/**
 * The arguments with which Node runs an installed tool. Going through the installed file, and not
 * through npx, means that a missing tool is an error and never a download.
 */
export function tool(name, ...args) {
  const { bin } = readJson(join(root, 'node_modules', name, 'package.json'))
  const file = typeof bin === 'string' ? bin : Object.values(bin)[0]
  return [join(root, 'node_modules', name, file), ...args]
}

/** Installs what the lock file says, unless it is already there: that of the repository, or of a folder in it. */
export function ensurePackages(folder = '.') {
  if (packagesMatchLock(join(root, folder))) return
  console.log(`Installing the packages of ${folder === '.' ? 'the' : `${folder}'s`} lock file …`)
  if (!npm('ci', '--no-audit', '--no-fund', '--prefix', folder))
    throw new Error('`npm ci` failed; its output above says why.')
}

/** Runs the npm that runs this, or the one of the PATH; true when it exits with 0. */
export function npm(...args) {
  const own = process.env.npm_execpath
  if (own?.endsWith('.js')) return run(process.execPath, [own, ...args])
  return (
    spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' }).status === 0
  )
}

/**
 * npm writes node_modules/.package-lock.json last, with what it really installed: an interrupted or
 * outdated installation does not match. Optional packages of other platforms are rightly absent.
 */
function packagesMatchLock(folder) {
  const installedLock = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(installedLock)) return false
  const installed = readJson(installedLock).packages
  return Object.entries(readJson(join(folder, 'package-lock.json')).packages).every(
    ([place, entry]) =>
      place === '' ||
      (installed[place] ? installed[place].version === entry.version : entry.optional === true),
  )
}

/** Builds dist when it is missing or older than the source. */
export function ensureBuilt() {
  const built = join(root, 'dist', 'index.js')
  const compiled = ['src', 'tsconfig.json', 'tsconfig.build.json']
  const bundled = ['scripts/production.mjs', 'scripts/internal-names.mjs']
  const sources = [...compiled, ...bundled].map((path) => join(root, path))
  if (existsSync(built) && statSync(built).mtimeMs >= Math.max(...sources.map(newest))) return
  console.log('Building …')
  if (!build()) throw new Error('The build failed; its output above says why.')
}

/**
 * Builds beside dist and swaps at the end: a failed build leaves the last good one, and no file stays
 * behind of a source that is gone. What `tsc` makes is for people to read; beside it is what users ship.
 */
export function build() {
  const next = join(root, '.cache', `dist-${process.pid}`)
  const built =
    run(
      process.execPath,
      tool('typescript', '-p', 'tsconfig.build.json', '--noEmitOnError', '--outDir', next),
    ) && run(process.execPath, [join(root, 'scripts', 'production.mjs'), join(next, 'production')])
  if (built) {
    rmSync(join(root, 'dist'), { recursive: true, force: true })
    renameSync(next, join(root, 'dist'))
  }
  rmSync(next, { recursive: true, force: true })
  return built
}

/** Path of a Chromium to drive. */
export function ensureChromium() {
  return ensureProgram({
    find: findChromium,
    packages: ['chromium', 'fonts-liberation'],
    advice:
      'The browser tests need Chromium or Google Chrome: install one, or name its program in CHROMIUM_PATH.',
  })
}

/** Path of a Firefox to drive. Its tabs are killed and frozen by way of /proc, which only Linux has. */
export function ensureFirefox() {
  const find = () => named('FIREFOX_PATH') ?? ['firefox-esr', 'firefox'].map(onPath).find(Boolean)
  return ensureProgram({
    find: () => (process.platform === 'linux' ? find() : undefined),
    packages: ['firefox-esr'],
    advice: 'The tests of tabs need Firefox on Linux, too: install it, or name its program in FIREFOX_PATH.',
  })
}

/** Path of the WebDriver of WebKitGTK; its browser wants a display, which Xvfb is. */
export function ensureWebKit() {
  return ensureProgram({
    find: () => (onPath('Xvfb') ? (named('WEBKIT_DRIVER_PATH') ?? onPath('WebKitWebDriver')) : undefined),
    packages: ['webkit2gtk-driver', 'xvfb'],
    advice:
      'The tests of tabs need WebKitGTK on Linux, too: install Xvfb and WebKitWebDriver, or name that in WEBKIT_DRIVER_PATH.',
  })
}

/** Path of a redis-server to start. */
export function ensureRedis() {
  return ensureProgram({
    find: () => named('REDIS_SERVER_PATH') ?? onPath('redis-server'),
    packages: ['redis-server'],
    advice:
      'The Redis tests need redis-server 6.2 or newer: install it, or name its program in REDIS_SERVER_PATH.',
  })
}

/** Path of a folder with Postgres's `initdb` and `postgres`. Debian does not put them on the PATH. */
export function ensurePostgres() {
  return ensureProgram({
    find() {
      const chosen = process.env.POSTGRES_PATH
      const places = chosen ? [chosen] : [...versionsOfPostgres(), dirname(onPath('initdb') ?? '')]
      return places.find((folder) => ['initdb', 'postgres'].every((name) => isProgram(join(folder, name))))
    },
    packages: ['postgresql'],
    advice:
      'The Postgres tests need its `initdb` and `postgres`: install it, or name their folder in POSTGRES_PATH.',
  })
}

function versionsOfPostgres() {
  const home = '/usr/lib/postgresql'
  if (!existsSync(home)) return []
  return readdirSync(home)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(home, version, 'bin'))
}

/** The program that an environment variable names. */
function named(variable) {
  const path = process.env[variable]
  if (path && !isProgram(path)) throw new Error(`${variable} names no program that can be run.`)
  return path || undefined
}

/** Path of the model checker; it needs a C compiler, too. */
export function ensureSpin() {
  return ensureProgram({
    find: () => (onPath('cc') ? onPath('spin') : undefined),
    packages: ['spin', 'gcc', 'libc6-dev'],
    advice: 'The model of the protocol needs spin (https://spinroot.com) and a C compiler named cc.',
  })
}

/**
 * Path of a program that the tests run. As root on Debian and its kin the `packages` that hold it are
 * installed; else it is undefined where `find` finds none, and the `advice` is printed.
 */
export async function ensureProgram({ find, packages, advice }) {
  const found = await find()
  if (found) return found
  if (process.getuid?.() === 0 && onPath('apt-get')) {
    console.log(`Installing ${packages.join(', ')} …`)
    const env = { DEBIAN_FRONTEND: 'noninteractive' }
    const patient = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0', '-qq']
    run('apt-get', [...patient, 'update'], env)
    run('apt-get', [...patient, 'install', '-y', '--no-install-recommends', ...packages], env)
    const installed = await find()
    if (installed) return installed
  }
  console.log(advice)
  return undefined
}

async function findChromium() {
  const chosen = named('CHROMIUM_PATH')
  if (chosen) return chosen
  const onThisPath = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
    .map(onPath)
    .find(Boolean)
  if (onThisPath) return onThisPath
  const applications = [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  ]
  return applications.find(isProgram) ?? (await playwrightChromium())
}

/** The one that `npx playwright-core install chromium` downloads, where somebody has done so. */
async function playwrightChromium() {
  const { chromium } = await import('playwright-core')
  const path = chromium.executablePath()
  return isProgram(path) ? path : undefined
}

function onPath(name) {
  const places = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return places.map((place) => join(place, name)).find(isProgram)
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Newest change in a file or a folder; folders count, so that a deleted file is noticed. */
function newest(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}
