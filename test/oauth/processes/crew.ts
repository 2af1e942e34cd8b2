/** Processes that share a grant: started, and told what to do. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { transformWithOxc } from 'vite'
import { expect, onTestFinished } from 'vitest'
import { times } from '../../setup.ts'
import type { Server } from '../server.ts'

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url))
const REQUESTS = 20
/** `npm run soak -- oauth` asks for more. */
const cycles: number = Number(process.env.SOAK_EXPIRIES ?? 6)

/** Where the record is: a login file, or a Redis. */
type Place = { path: string } | { redis: string }

interface Worker {
  ask(task: string, more?: object): Promise<unknown>
}

async function start(task: object): Promise<Worker> {
  const child = fork(WORKER, [JSON.stringify(task)])
  onTestFinished(() => end(child))
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  child.on('message', ({ id, result, error }: { id: number; result: unknown; error?: string }) => {
    const asked = waiting.get(id)
    if (error) asked?.reject(new Error(error))
    else asked?.resolve(result)
  })
  child.once('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process has ended'))
  })
  await once(child, 'message')
  let asked = 0
  return {
    ask: (task, more) =>
      new Promise((resolve, reject) => {
        waiting.set(++asked, { resolve, reject })
        child.send({ id: asked, task, ...more })
      }),
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** The recipe for keys that processes share, as a module of JavaScript. */
async function recipeOfKeys(): Promise<string> {
  const source = readFileSync(new URL('../../../examples/dpop-keys.ts', import.meta.url), 'utf8')
  const { code } = await transformWithOxc(source, 'dpop-keys.ts')
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const module = join(folder, 'dpop-keys.mjs')
  writeFileSync(module, code)
  return module
}

/**
 * So many processes, one grant, no grace: at each expiry (by turns seen and unseen) all of them want answers at once, and
 * one of them asks for tokens.
 */
export async function expectOneTokenRequestEach(
  server: Server,
  place: Place,
  { processes, machine, dpop = false }: { processes: number; machine: boolean; dpop?: boolean },
): Promise<void> {
  const { issuer, secret, count } = server
  const keys = dpop ? await recipeOfKeys() : undefined
  const [first, ...others] = await Promise.all(
    times(processes, () => start({ issuer, secret, machine, keys, ...place })),
  )
  if (!first) throw new Error('there are no processes')
  const all = [first, ...others]
  const thumbprints = dpop ? await Promise.all(all.map(({ ask }) => ask('thumbprint'))) : []
  expect(new Set(thumbprints).size).toBe(dpop ? 1 : 0)
  const [jkt] = thumbprints as string[]
  if (!machine) await first.ask('signIn', { tokens: await server.mint(jkt === undefined ? {} : { jkt }) })
  await Promise.all(all.map(({ ask }) => ask('accessToken')))
  const before = machine ? 1 : 0
  expect(count.granted).toBe(before)
  for (let cycle = before + 1; cycle <= before + cycles; cycle++) {
    if (cycle % 2) await Promise.all(all.map(({ ask }) => ask('pass', { ms: 3_600_000 })))
    else await server.refuse(String(await first.ask('accessToken')))
    const answers = await Promise.all(all.map(({ ask }) => ask('request', { count: REQUESTS })))
    expect(answers.flat()).toEqual(times(processes * REQUESTS, () => 200))
    expect(count).toMatchObject({ granted: cycle, reuses: 0, most: 1 })
    // Once more for each process that has no nonce of the token endpoint yet.
    expect(count.token - cycle).toBeLessThanOrEqual(dpop ? processes : 0)
  }
  // And the grant is alive: it renews once more.
  await others[0]?.ask('refresh')
  expect(count).toMatchObject({ granted: before + cycles + 1, reuses: 0 })
}
