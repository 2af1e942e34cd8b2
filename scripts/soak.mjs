/**
 * `npm run soak`: the laws, as often as it takes to believe them. What it prints is kept in
 * soak/laws.txt, without colours, paths and durations, so that two runs of one seed compare.
 *
 * SOAK_RUNS and SOAK_SEED choose the number of runs, over all laws, and the seed.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import { ensurePackages, root, tool } from './setup.mjs'

ensurePackages()
const runs = process.env.SOAK_RUNS ?? '100000'
const seed = process.env.SOAK_SEED ?? String(randomInt(2 ** 31))

const vitest = tool(
  'vitest',
  'run',
  '--project',
  'newest',
  '--reporter=verbose',
  '--testTimeout=0',
  'test/laws',
)
const child = spawn(process.execPath, vitest, {
  cwd: root,
  env: { ...process.env, SOAK_RUNS: runs, SOAK_SEED: seed },
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

const header = [
  `date  ${new Date().toISOString().slice(0, 10)}`,
  `node  ${process.version}`,
  `runs  at least ${runs}, over all laws`,
  `seed  ${seed}`,
  `exit  ${code}`,
]
mkdirSync(`${root}soak`, { recursive: true })
writeFileSync(`${root}soak/laws.txt`, `${header.join('\n')}\n\n${plain(output)}\n`)
console.log('\nKept in soak/laws.txt')
process.exitCode = code ?? 1

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
