/**
 * What a login folder costs: opening a session that is signed in against reading one file, and a refresh. Operations are
 * counted by what the process asks of `node:fs/promises`.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const NAMES = ['readdir', 'readFile', 'open', 'link', 'rename', 'unlink', 'mkdir', 'rm']
const LIMITS = { operations: 14, opening: 3 }
const ROUNDS = 1_500

let operations = 0
for (const name of NAMES) {
  const call = fs[name]
  fs[name] = (...args) => {
    operations++
    return call(...args)
  }
}
syncBuiltinESMExports()
const { createSession } = await import('../dist/index.js')
const { fileStore } = await import('../dist/stores/file.js')

const folder = mkdtempSync(join(tmpdir(), 'refresh-once-bench-'))
const path = join(folder, 'login')
let generation = 0
const token = 'x'.repeat(900)
const openSession = () =>
  createSession({
    store: fileStore({ path }),
    tokens: null,
    refresh: () => ({ accessToken: `${token}${++generation}`, refreshToken: token, expiresIn: 3600 }),
  })

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
async function timesOf(rounds, work) {
  const times = []
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now()
    await work()
    times.push(performance.now() - begun)
  }
  return median(times)
}

const session = openSession()
await session.signIn({ accessToken: token, refreshToken: token, expiresIn: 3600 })
await session.refresh()
await session.refresh()
operations = 0
await session.refresh()
const perRefresh = operations
operations = 0
await session.getAccessToken()
const perRequest = operations
const refreshTime = await timesOf(200, () => session.refresh())
session.close()

const file = join(folder, 'one.json')
writeFileSync(file, JSON.stringify({ token, more: token }))
const open = async () => {
  const opened = openSession()
  await opened.getAccessToken()
  opened.close()
}
// One after the other: whatever else the machine has to do meanwhile hits both.
const [reads, opens] = [[], []]
for (let round = 0; round < ROUNDS; round++) {
  reads.push(await timesOf(1, () => fs.readFile(file, 'utf8').then(JSON.parse)))
  opens.push(await timesOf(1, open))
}
const openTime = median(opens)
rmSync(folder, { recursive: true, force: true })

const rows = [
  ['a request with a usable token, operations', perRequest, 0],
  ['a refresh, operations of the one who does it', perRefresh, LIMITS.operations],
  ['opening a session that is signed in, times reading one file', openTime / median(reads), LIMITS.opening],
]
for (const [what, value, limit] of rows) {
  console.log(`${what.padEnd(62)} ${Number(value.toFixed(2))}  (limit ${limit})`)
  if (value > limit) process.exitCode = 1
}
console.log(`${'opening takes, in milliseconds'.padEnd(62)} ${openTime.toFixed(2)}`)
console.log(
  `${'a refresh that is answered at once takes, in milliseconds'.padEnd(62)} ${refreshTime.toFixed(1)}`,
)
