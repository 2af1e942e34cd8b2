import { type ChildProcess, fork } from 'node:child_process'
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
  primary: ChildProcess
  /** Resolves with so many workers that have begun to serve. */
  serving(many: number): Promise<{ listening: number; port: number }[]>
  /** Resolves with so many members that were about to send a refresh token. */
  refreshing(many: number): Promise<{ refreshing: number }[]>
  /** Asks the workers, by their port, so many times at once. Those who have died have no answer. */
  ask(calls: number): Promise<{ pid: number; status: unknown }[]>
  askPrimary(): Promise<unknown>
}

async function startCluster(server: AuthServer, many: number): Promise<Cluster> {
  const task = JSON.stringify({ ...(await signedIn(server)), many })
  const primary = fork(file('cluster.mjs'), [task], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const serving = hear<{ listening: number; port: number }>(primary, 'listening')
  const refreshing = hear<{ refreshing: number }>(primary, 'refreshing')
  const answers = hear<{ status: unknown }>(primary, 'status')
  let asked = 0
  closers.push(async () => {
    // The workers follow their primary.
    const gone = once(primary, 'exit')
    primary.disconnect()
    await gone
  })
  return {
    primary,
    serving,
    refreshing,
    async ask(calls) {
      const [{ port } = { port: 0 }] = await serving(many)
      const asking = times(calls, async () => (await fetch(`http://127.0.0.1:${port}`)).json())
      const settled = await Promise.allSettled(asking)
      return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    },
    async askPrimary() {
      const number = asked++
      primary.send({})
      return (await answers(number + 1))[number]?.status
    },
  }
}

test('the workers of a cluster, which share a port, and their primary refresh once', async () => {
  const server = await startServer()
  const { ask, askPrimary } = await startCluster(server, 3)
  const pids = new Set<number>()
  for (let cycle = 1; cycle <= 4; cycle++) {
    server.expireAccessTokens()
    const [answers, own] = await Promise.all([ask(15), askPrimary()])
    expect(
      answers.map(({ status }) => status),
      server.explain(),
    ).toEqual(times(15, () => 200))
    expect(own).toBe(200)
    for (const { pid } of answers) pids.add(pid)
    expect(server.count).toMatchObject({ refreshes: cycle, refreshRequests: cycle, reuses: 0 })
  }
  expect(pids.size).toBeGreaterThan(1)
})

test('a worker of a cluster is killed in its refresh: the others go on at once, and so does the one in its place', async () => {
  // The token of the one who was killed is sent once more: nobody knows what became of it.
  const server = await startServer({ grace: 60_000 })
  const { ask, askPrimary, refreshing, serving } = await startCluster(server, 3)
  await serving(3)
  let begun = 0
  for (let round = 1; round <= 2; round++) {
    server.expireAccessTokens()
    const gate = server.hold('/token')
    const asking = ask(15)
    await gate.untilArrived()
    const holder = (await refreshing(begun + 1))[begun]?.refreshing ?? 0
    process.kill(holder, 'SIGKILL')
    gate.release()
    const answers = await asking
    expect(
      answers.filter(({ status }) => status !== 200),
      server.explain(),
    ).toEqual([])
    expect(answers.length).toBeGreaterThan(0)
    expect(answers.map(({ pid }) => pid)).not.toContain(holder)
    await serving(3 + round)
    begun += 2
    expect((await refreshing(begun)).length).toBe(begun)
    server.expireAccessTokens()
    begun++
    const [after, own] = await Promise.all([ask(15), askPrimary()])
    expect([...after.map(({ status }) => status), own], server.explain()).toEqual(times(16, () => 200))
    expect(server.count.reuses).toBe(0)
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
