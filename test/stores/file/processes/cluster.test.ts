import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { AuthServer } from 'refresh-once/testing'
import { afterEach, expect, test } from 'vitest'
import { startServer, times } from '../../../setup.ts'
import { newCrew } from './crew.ts'

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Milliseconds. */
const TTL = 2_000

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

/** What a member is to know, once somebody has signed in. */
async function signedIn(server: AuthServer): Promise<object> {
  const { path, signIn } = newCrew(server)
  await signIn()
  return { path, url: server.url, tokenEndpoint: server.tokenEndpoint, ttl: TTL }
}

/** Messages of one kind, in the order in which they come. */
function hear<T>(from: { on(event: 'message', hear: (message: object) => void): unknown }, kind: string) {
  const heard: T[] = []
  let wake = () => {}
  from.on('message', (message) => {
    if (!(kind in message)) return
    heard.push(message as T)
    wake()
  })
  return async (many: number): Promise<T[]> => {
    while (heard.length < many)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    return heard
  }
}

interface Cluster {
  /** Of the primary. */
  pid: number
  /** Resolves with so many workers that have begun to serve. */
  serving(many: number): Promise<{ listening: number; port: number }[]>
  /** Resolves with so many members that were about to send a refresh token. */
  refreshing(many: number): Promise<{ refreshing: number }[]>
  /** What a member's request has come to; of one that dies there is no answer. */
  ask(pid: number): Promise<unknown>
}

async function startCluster(server: AuthServer, many: number): Promise<Cluster> {
  const task = JSON.stringify({ ...(await signedIn(server)), many })
  const primary = fork(file('cluster.mjs'), [task], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const serving = hear<{ listening: number; port: number }>(primary, 'listening')
  const refreshing = hear<{ refreshing: number }>(primary, 'refreshing')
  const waiting = new Map<unknown, (status: unknown) => void>()
  primary.on('message', ({ number, status }: { number?: number; status?: unknown }) =>
    waiting.get(number)?.(status),
  )
  let asked = 0
  closers.push(async () => {
    // The workers follow their primary.
    const gone = once(primary, 'exit')
    primary.disconnect()
    await gone
  })
  return {
    pid: primary.pid ?? 0,
    serving,
    refreshing,
    ask: (pid) =>
      new Promise((resolve) => {
        const number = ++asked
        waiting.set(number, resolve)
        primary.send({ number, pid })
      }),
  }
}

test('the workers of a cluster, which share a port, and their primary refresh once', async () => {
  const server = await startServer()
  const { ask, pid, serving } = await startCluster(server, 3)
  const [{ port } = { port: 0 }] = await serving(3)
  const pids = new Set<number>()
  for (let cycle = 1; cycle <= 4; cycle++) {
    server.expireAccessTokens()
    const asking = times(15, async () => (await fetch(`http://127.0.0.1:${port}`)).json())
    const [own, ...answers] = await Promise.all([ask(pid), ...asking])
    expect([own, ...answers.map(({ status }) => status)], server.explain()).toEqual(times(16, () => 200))
    for (const answer of answers) pids.add(answer.pid)
    expect(server.count).toMatchObject({ refreshes: cycle, refreshRequests: cycle, reuses: 0 })
  }
  expect(pids.size).toBeGreaterThan(1)
})

test('a worker of a cluster is killed in its refresh: the others go on, and so does the one in its place', async () => {
  // The token of the one who was killed is sent once more: nobody knows what became of it.
  const server = await startServer({ grace: 60_000 })
  const { ask, pid, refreshing, serving } = await startCluster(server, 3)
  let workers = (await serving(3)).map(({ listening }) => listening)
  let sent = 0
  for (let round = 1; round <= 2; round++) {
    server.expireAccessTokens()
    const gate = server.hold('/token')
    const asking = workers.map((worker) => ({ worker, statuses: times(3, () => ask(worker)) }))
    await gate.untilArrived()
    const holder = (await refreshing(sent + 1)).at(-1)?.refreshing ?? 0
    process.kill(holder, 'SIGKILL')
    gate.release()
    const others = asking.filter(({ worker }) => worker !== holder)
    expect(others).toHaveLength(2)
    const statuses = await Promise.all(others.flatMap((each) => each.statuses))
    expect(statuses, server.explain()).toEqual(times(6, () => 200))
    const replaced = (await serving(3 + round)).at(-1)?.listening ?? 0
    workers = [...others.map(({ worker }) => worker), replaced]
    server.expireAccessTokens()
    const after = await Promise.all([pid, ...workers].map(ask))
    expect(after, server.explain()).toEqual(times(4, () => 200))
    expect(server.count.reuses).toBe(0)
    sent = (await refreshing(sent + 3)).length
  }
})

/** A thread with a session of its own on the login. */
function startThread(task: object) {
  const worker = new Worker(file('thread.mjs'), { workerData: task })
  closers.push(() => worker.terminate())
  const answers = hear<{ statuses: unknown[] }>(worker, 'statuses')
  let asked = 0
  return {
    worker,
    refreshing: hear<object>(worker, 'refreshing'),
    async ask(calls: number): Promise<unknown[]> {
      const number = asked++
      worker.postMessage(calls)
      return (await answers(number + 1))[number]?.statuses ?? []
    },
  }
}

test('threads of one process, each with a session of its own, refresh once', async () => {
  const server = await startServer()
  const task = await signedIn(server)
  const threads = times(4, () => startThread(task))
  for (let cycle = 1; cycle <= 4; cycle++) {
    server.expireAccessTokens()
    const answers = await Promise.all(threads.map(({ ask }) => ask(5)))
    expect(answers.flat(), server.explain()).toEqual(times(20, () => 200))
    expect(server.count).toMatchObject({ refreshes: cycle, refreshRequests: cycle, reuses: 0 })
  }
})

test('a thread is ended in its refresh: its process lives, and the others go on when its turn is over', async () => {
  const server = await startServer({ grace: 60_000 })
  const task = await signedIn(server)
  const [first, ...others] = times(3, () => startThread(task)) as [
    ReturnType<typeof startThread>,
    ...ReturnType<typeof startThread>[],
  ]
  server.expireAccessTokens()
  const gate = server.hold('/token')
  void first.ask(1)
  await gate.untilArrived()
  await first.worker.terminate()
  gate.release()
  for (let cycle = 0; cycle < 2; cycle++) {
    const answers = await Promise.all(others.map(({ ask }) => ask(5)))
    expect(answers.flat(), server.explain()).toEqual(times(10, () => 200))
    expect(server.count.reuses).toBe(0)
    server.expireAccessTokens()
  }
})
