/**
 * `npm run soak`: what is tried at random, as often as it takes to believe it; `npm run soak -- redis` picks some.
 * What it prints is kept in soak/, without colours, paths and durations, so that two runs of one seed compare.
 *
 * SOAK_SEED chooses the seed. SOAK_RUNS: the number of runs, over all laws. SOAK_FLEET and SOAK_BLOWS: how many processes
 * share how many sessions of Redis for how many expiries, in peace and while they are killed and stopped. SOAK_POOL: how
 * many sessions of one process expire together. SOAK_STORM: how many processes share one login file for how many
 * expiries and calls, also those of tools of an MCP server. SOAK_HITS: how many of them are hit in how many rounds, with
 * and without grace. SOAK_UPDATES: how many updates race for one register. SOAK_ROUNDS and SOAK_HAND_OVERS: how many
 * rounds tabs are killed in (in Chromium; a quarter of it elsewhere), and how often the turn passes between them.
 * SOAK_MUTANTS: how many faults are drawn for the tests to notice; SOAK_FILES: an expression for the files of the source.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import { soakModel } from '../model/soak.mjs'
import { tryMutants } from './mutants.mjs'
import {
  ensureBuilt,
  ensureChromium,
  ensureFirefox,
  ensurePackages,
  ensureRedis,
  ensureWebKit,
  root,
  tool,
} from './setup.mjs'

ensurePackages()
const {
  SOAK_RUNS = '100000',
  SOAK_EXPIRIES = '100',
  SOAK_FLEET = '8x500x20',
  SOAK_BLOWS = '6x60x20',
  SOAK_POOL = '10000',
  SOAK_STORM = '8x40x5',
  SOAK_HITS = '6x150',
  SOAK_UPDATES = '40000',
  SOAK_ROUNDS = '200',
  SOAK_HAND_OVERS = '1000',
  SOAK_MUTANTS = '226',
  SOAK_FILES = '',
} = process.env
const seed = process.env.SOAK_SEED ?? String(randomInt(2 ** 31))

const all = {
  async oauth() {
    const [chromium, redis] = [await ensureChromium(), await ensureRedis()]
    if (!chromium || !redis) return false
    const projects = ['newest', 'processes', 'redis', 'browser'].flatMap((name) => ['--project', name])
    return soak('oauth', {
      args: [...projects, 'test/oauth', 'test/browser/grant-in-tabs.test.ts'],
      env: { SOAK_EXPIRIES, CHROMIUM_PATH: chromium, REDIS_SERVER_PATH: redis },
      header: [
        `expiries  ${SOAK_EXPIRIES}, 20 requests each, without and with proofs of possession`,
        `          the same for each of 8 tabs, of 4 processes, and of 8 machines`,
      ],
    })
  },
  laws: () =>
    soak('laws', {
      args: ['--project', 'newest', 'test/laws'],
      env: { SOAK_RUNS },
      header: [`runs  at least ${SOAK_RUNS}, over all laws`],
    }),
  fuzz: () =>
    soak('fuzz', {
      args: ['--project', 'newest', 'test/fuzz'],
      env: { SOAK_RUNS },
      header: [`runs  of ${SOAK_RUNS} in all, shared by the properties`],
    }),
  model: soakModel,
  mutants: soakMutants,
  file: () =>
    soak('file', {
      args: ['--project', 'processes', 'test/stores/file/processes'],
      env: { SOAK_STORM, SOAK_HITS, SOAK_UPDATES },
      header: [
        `storm   ${SOAK_STORM} (processes, expiries, calls of each), and ${SOAK_HITS} (processes, rounds) while they are hit`,
        `race    at least ${SOAK_UPDATES} updates under kills and stops, twice`,
      ],
    }),
  mcp: () =>
    soak('mcp', {
      args: ['--project', 'processes', 'test/mcp/processes'],
      env: { SOAK_STORM },
      header: [`storm  ${SOAK_STORM} (processes, expiries, calls of tools of each)`],
    }),
  async redis() {
    const path = await ensureRedis()
    if (!path) return false
    return soak('redis', {
      args: ['--project', 'redis', 'test/stores/redis/fleet.test.ts', 'test/stores/redis/pool-load.test.ts'],
      env: { REDIS_SERVER_PATH: path, SOAK_FLEET, SOAK_BLOWS, SOAK_POOL },
      header: [
        `fleet ${SOAK_FLEET} (processes, sessions, expiries), and ${SOAK_BLOWS} while they are hit`,
        `pool  ${SOAK_POOL} sessions`,
      ],
    })
  },
  async tabs() {
    const [chromium, firefox, webkit] = [await ensureChromium(), await ensureFirefox(), await ensureWebKit()]
    if (!chromium) return false
    return soak('tabs', {
      args: [
        '--project',
        'browser',
        'test/browser/tabs/deaths.test.ts',
        'test/browser/tabs/hand-overs.test.ts',
      ],
      env: {
        CHROMIUM_PATH: chromium,
        FIREFOX_PATH: firefox ?? '',
        WEBKIT_DRIVER_PATH: webkit ?? '',
        SOAK_ROUNDS,
        SOAK_HAND_OVERS,
      },
      header: [`rounds  ${SOAK_ROUNDS} in Chromium, a quarter elsewhere; ${SOAK_HAND_OVERS} hand-overs`],
    })
  },
}

const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
const unknown = asked.filter((name) => !(name in all))
if (unknown.length > 0)
  throw new Error(`No soak ${unknown.join(', ')}; there are ${Object.keys(all).join(', ')}.`)
for (const name of asked.length > 0 ? asked : Object.keys(all)) {
  if (!(await all[name]())) process.exitCode = 1
}

/** Keeps what a soak has found out. */
function keep(name, text) {
  mkdirSync(`${root}soak`, { recursive: true })
  writeFileSync(`${root}soak/${name}.txt`, `${text}\n`)
  console.log(`\nKept in soak/${name}.txt`)
}

/** Tries mutants, and keeps which ones nobody has noticed. */
async function soakMutants() {
  const lines = [
    `date  ${new Date().toISOString().slice(0, 10)}`,
    `node  ${process.version}`,
    `seed  ${seed}`,
    '',
  ]
  const passed = await tryMutants(seed, Number(SOAK_MUTANTS), RegExp(SOAK_FILES), (line) => {
    console.log(line)
    lines.push(line)
  })
  keep('mutants', lines.join('\n'))
  return passed
}

/** Runs tests of Vitest, and keeps what they print. Resolves with whether all is as it should be. */
async function soak(name, { args, env, header }) {
  // Before the tests do it, who would tell of it in what is kept.
  ensureBuilt()
  const vitest = tool('vitest', 'run', '--reporter=verbose', '--testTimeout=0', ...args)
  const child = spawn(process.execPath, vitest, {
    cwd: root,
    env: { ...process.env, ...env, SOAK_SEED: seed },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      process.stdout.write(text)
      output += text
    })
  }
  const code = await new Promise((resolve) => child.on('close', resolve))
  const head = [
    `date  ${new Date().toISOString().slice(0, 10)}`,
    `node  ${process.version}`,
    ...header,
    `seed  ${seed}`,
    `exit  ${code}`,
  ]
  keep(name, `${head.join('\n')}\n\n${plain(output)}`)
  return code === 0
}

function plain(text) {
  return stripVTControlCharacters(text)
    .replaceAll(root, '')
    .replace(/ +\d+(\.\d+)?m?s$/gm, '')
    .split('\n')
    .filter((line) => !/^\s*(RUN|Start at|Duration)\b/.test(line))
    .map((line) => line.trimEnd())
    .join('\n')
    .trim()
}
