import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { memoryStore } from 'refresh-once'
import { storeContract } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedRuntimes, type Runtime } from '../../scripts/runtimes.mjs'
import { startServer, times } from '../../test/setup.ts'
import { buildFor } from '../../test/stores/cell/build.ts'
import type { Task } from '../../test/stores/cell/worker.ts'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** Two Workers of one script, and the objects that they share, on a disk. */
const CONFIGURATION = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "one", worker = .worker),
    (name = "two", worker = .worker),
    (name = "objects", worker = (
      modules = [(name = "worker", esModule = embed "worker.mjs")],
      compatibilityDate = "2026-11-01",
      durableObjectNamespaces = [(className = "SessionCell", uniqueKey = "sessions")],
      durableObjectStorage = (localDisk = "disk"),
    )),
    (name = "disk", disk = (path = "disk", writable = true)),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [
    (name = "one", address = "127.0.0.1:0", http = (), service = "one"),
    (name = "two", address = "127.0.0.1:0", http = (), service = "two"),
  ],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.mjs")],
  compatibilityDate = "2026-11-01",
  bindings = [(name = "CELLS", durableObjectNamespace = (className = "SessionCell", serviceName = "objects"))],
);
`

interface Workers {
  ask(worker: number, task: Task): Promise<{ error?: string; status?: string; answers?: number[] }>
  stop(): Promise<void>
}

async function start({ program }: Runtime, place: string): Promise<Workers> {
  const child = spawn(program, ['serve', 'config.capnp', '--control-fd=3'], {
    cwd: place,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const ended = once(child, 'exit')
  const ports: number[] = []
  await new Promise<void>((resolve, reject) => {
    let told = ''
    child.stdio[3]?.on('data', (text) => {
      told += text
      const found = [...told.matchAll(/"port":(\d+)/g)].map(([, port]) => Number(port))
      ports.splice(0, ports.length, ...found)
      if (ports.length === 2) resolve()
    })
    void ended.then(() => reject(new Error(`workerd has ended: ${told}`)))
  })
  return {
    async ask(worker, task) {
      const response = await fetch(`http://127.0.0.1:${ports[worker]}`, {
        method: 'POST',
        body: JSON.stringify(task),
      })
      return response.json()
    },
    async stop() {
      child.kill()
      await ended
    },
  }
}

const workerd = installedRuntimes().find(({ kind }) => kind === 'workerd')
describe.each(workerd ? [workerd] : [])('durable objects in $name', (runtime) => {
  let place = ''
  let workers: Workers
  beforeAll(async () => {
    mkdirSync(file('../../.cache'), { recursive: true })
    place = mkdtempSync(file('../../.cache/objects-'))
    mkdirSync(join(place, 'disk'))
    writeFileSync(join(place, 'config.capnp'), CONFIGURATION)
    await buildFor('browser', 'worker.ts', join(place, 'worker.mjs'), /^cloudflare:/)
    workers = await start(runtime, place)
  })
  afterAll(async () => {
    await workers?.stop()
    rmSync(place, { recursive: true, force: true })
  })

  /** Only their names: the Worker runs its own. */
  for (const [index, { name }] of storeContract(() => memoryStore()).entries())
    test(name, async () => expect(await workers.ask(index % 2, { check: index })).toEqual({}))

  test('two Workers, five requests at once in each, ten expiries: one refresh each', async () => {
    const server = await startServer({ grace: 0 })
    const { url: api, tokenEndpoint } = server
    const task = { user: 'alice', api, tokenEndpoint }
    await workers.ask(0, { ...task, tokens: server.mint('alice') })
    for (const _ of times(10, Boolean)) {
      server.expireAccessTokens()
      const answers = await Promise.all(times(10, (index) => workers.ask(index % 2, { ...task, calls: 2 })))
      expect(answers.map(({ answers }) => answers)).toEqual(times(10, () => [200, 200]))
    }
    expect(server.count, server.explain()).toMatchObject({ refreshes: 10, reuses: 0 })
  })

  test('who is signed in still is after a restart, and a sign-out lasts', async () => {
    const server = await startServer()
    const task = { user: 'bob', api: server.url, tokenEndpoint: server.tokenEndpoint }
    await workers.ask(0, { ...task, tokens: server.mint('bob') })
    const again = async (): Promise<void> => {
      await workers.stop()
      workers = await start(runtime, place)
    }
    await again()
    expect(await workers.ask(1, { ...task, calls: 1 })).toEqual({ answers: [200], status: 'signed-in' })
    await workers.ask(0, { ...task, signOut: true })
    await again()
    expect(await workers.ask(1, { ...task, calls: 1 })).toEqual({ answers: [401], status: 'signed-out' })
  })

  test('an id that could be taken for another is refused', async () => {
    const task = { user: 'alice\ud800', api: 'http://localhost', tokenEndpoint: 'http://localhost' }
    expect((await workers.ask(0, task)).error).toMatch(/URI/)
  })
})
