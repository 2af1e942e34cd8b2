/** Drives processes that share a login file, and hits them while they refresh. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createSession, type SessionOptions } from 'refresh-once'
import { type FileStoreOptions, fileStore } from 'refresh-once/file'
import type { AuthServer, TokenResponse } from 'refresh-once/testing'
import { afterEach } from 'vitest'
import type { Blow, JournalEntry } from '../../redis/fleet.ts'

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Before which step it is hit, counted from 1, and how. */
export interface Fault {
  step: number
  signal: 'SIGKILL' | 'SIGSTOP'
}

/** A process. */
export interface Worker {
  readonly name: number
  readonly child: ChildProcess
  /** What its requests have come to: statuses, or codes; undefined where it has died. */
  request(calls?: number, path?: string): Promise<string[] | undefined>
  ask(task: string, more?: object): Promise<unknown>
  /** Counts operations from now on. */
  begin(fault?: Fault): Promise<unknown>
  /** What it has done since. */
  take(): Promise<{ operations: string[]; steps: string[] }>
  /** Resolves once it was killed or stopped. */
  untilHit(): Promise<void>
  kill(): Promise<void>
  stop(): void
  resume(): void
}

export interface WorkerOptions {
  store?: Partial<FileStoreOptions>
  session?: Partial<SessionOptions>
  env?: Record<string, string>
}

/** Processes that share one login, at one server. */
export interface Crew {
  /** Of the login. */
  readonly path: string
  readonly blows: Blow[]
  /** Signs alice in, as another process that is gone again. */
  signIn(tokens?: TokenResponse): Promise<void>
  start(options?: WorkerOptions): Promise<Worker>
  journal(): JournalEntry[]
}

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

export function newCrew(server: AuthServer, common: WorkerOptions = {}): Crew {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-crew-'))
  const path = join(folder, 'login')
  const workers: Worker[] = []
  const blows: Blow[] = []
  closers.push(async () => {
    await Promise.all(workers.map((worker) => worker.kill()))
    rmSync(folder, { recursive: true, force: true })
  })

  return {
    path,
    blows,
    async signIn(tokens = server.mint('alice')) {
      const session = createSession({ refresh: () => 'never', store: fileStore({ path }), tokens: null })
      await session.signIn(tokens)
      session.close()
    },
    async start({ store, session, env } = {}) {
      const task = {
        path,
        url: server.url,
        tokenEndpoint: server.tokenEndpoint,
        journal: join(folder, `${workers.length}.jsonl`),
        store: { ...common.store, ...store },
        session: { ...common.session, ...session },
      }
      const worker = newWorker(workers.length, task, { ...common.env, ...env }, blows)
      workers.push(worker)
      await worker.ask('')
      return worker
    },
    journal: () =>
      workers.flatMap(({ name }) => {
        const written = join(folder, `${name}.jsonl`)
        if (!existsSync(written)) return []
        const lines = readFileSync(written, 'utf8').split('\n')
        return lines
          .filter((line) => line.endsWith('}'))
          .map((line) => ({ ...JSON.parse(line), process: name }))
      }),
  }
}

function newWorker(name: number, task: object, env: Record<string, string>, blows: Blow[]): Worker {
  const child = fork(file('worker.mjs'), [JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--import', file('operations.mjs')],
    env: { ...process.env, ...env },
  })
  const waiting = new Map<number, (answer: unknown) => void>()
  let numbers = 0
  const over = () => child.exitCode !== null || child.signalCode !== null
  child.on('message', ({ number, answer }: { number: number; answer: unknown }) => {
    waiting.get(number)?.(answer)
    waiting.delete(number)
  })
  child.once('exit', () => {
    for (const settle of waiting.values()) settle(undefined)
  })
  const ask = (asked: string, more: object = {}): Promise<unknown> =>
    new Promise((resolve) => {
      if (over()) return resolve(undefined)
      // It says by itself when it is ready.
      const number = asked ? ++numbers : 0
      waiting.set(number, resolve)
      if (asked) child.send({ number, task: asked, ...more }, (error) => error && resolve(undefined))
    })
  let blow: { process: number; at: number; until: number } | undefined
  const strike = () => {
    blow = { process: name, at: Date.now(), until: Number.POSITIVE_INFINITY }
    blows.push(blow)
  }
  return {
    name,
    child,
    ask,
    request: (calls = 1, path = '/api/items') =>
      ask('request', { calls, path }) as Promise<string[] | undefined>,
    begin: (fault) => ask('begin', { fault }),
    take: () => ask('take') as Promise<{ operations: string[]; steps: string[] }>,
    async untilHit() {
      // Nobody is told of a process that was stopped.
      while (!over() && !isStopped(child.pid)) await sleep(5)
      strike()
    },
    async kill() {
      if (over()) return
      strike()
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
    stop() {
      strike()
      child.kill('SIGSTOP')
    },
    resume() {
      if (blow) blow.until = Date.now()
      child.kill('SIGCONT')
    },
  }
}

function isStopped(pid: number | undefined): boolean {
  try {
    return /\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
