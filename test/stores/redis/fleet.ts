/** Drives processes that share their sessions through Redis, and hits them while they refresh. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSession } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import type { Client } from './clients.ts'
import { storesOf } from './clients.ts'

export interface FleetOptions {
  processes: number
  sessions: number
  /** Which client the processes use, by turns. */
  kinds: readonly ('redis' | 'ioredis')[]
  redisUrl: string
  server: AuthServer
  /** Milliseconds. */
  ttl: number
}

interface Answers {
  /**
   * What became of the requests: a status, with the reason if the session lives and has refused all the same; or why
   * there is none. Of all processes that are left.
   */
  readonly outcomes: string[]
  /** How many commands the processes have sent to Redis. */
  readonly commands: number
}

/** A process was killed, stopped, or given no time by the machine. */
export interface Blow {
  readonly process: number
  readonly at: number
  readonly until: number
}

export interface JournalEntry {
  readonly at: number
  readonly what: 'sent' | 'saved' | 'stalled'
  readonly id: string
  readonly token: string
  readonly process: number
  /** When it was written: later than `at` where a process has found that it had not run for a while. */
  readonly until: number
}

export interface Fleet {
  /** Each process requests something with each of its sessions. */
  request(): Promise<Answers>
  /** Kills a process, and starts another in its place once it is dead. */
  kill(index: number): Promise<void>
  /** Stops a process for so many milliseconds. */
  stop(index: number, ms: number): Promise<void>
  readonly blows: readonly Blow[]
  /** What the processes have written. */
  journal(): JournalEntry[]
  end(): Promise<void>
}

interface Member {
  readonly name: number
  readonly child: ChildProcess
  readonly waiting: Map<number, (answers: Answers | undefined) => void>
  readonly journal: string
}

const WORKER = fileURLToPath(new URL('./fleet-worker.mjs', import.meta.url))

/** Signs every session in, and starts the processes. */
export async function startFleet(options: FleetOptions, seeder: Client): Promise<Fleet> {
  const { processes, sessions, kinds, redisUrl, server, ttl } = options
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-fleet-'))
  const ids = Array.from({ length: sessions }, (_, index) => `user {${index}}`)
  const stores = storesOf(seeder)
  for (const id of ids) {
    const session = createSession({ refresh: () => 'never', store: stores(id), tokens: null })
    await session.signIn(server.mint(id))
    session.close()
  }

  let names = 0
  let numbers = 0
  const blows: { process: number; at: number; until: number }[] = []
  const all: Member[] = []
  const members = await Promise.all(Array.from({ length: processes }, (_, index) => start(index)))

  async function start(index: number): Promise<Member> {
    const name = names++
    const journal = join(folder, `${name}.jsonl`)
    const kind = kinds[index % kinds.length]
    const { url, tokenEndpoint } = server
    const task = { redisUrl, kind, api: `${url}/api`, tokenEndpoint, ids, journal, ttl }
    const child = fork(WORKER, [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const member: Member = { name, child, waiting: new Map(), journal }
    all.push(member)
    child.on('message', ({ number, ...answers }: Answers & { number: number }) => {
      member.waiting.get(number)?.(answers)
      member.waiting.delete(number)
    })
    child.once('exit', () => {
      for (const settle of member.waiting.values()) settle(undefined)
      member.waiting.clear()
    })
    await new Promise((resolve) => member.waiting.set(0, resolve))
    return member
  }

  function ask({ child, waiting }: Member, task: string): Promise<Answers | undefined> {
    const number = ++numbers
    return new Promise((resolve) => {
      waiting.set(number, resolve)
      // One that is dead answers nothing.
      child.send({ task, number }, (error) => error && resolve(undefined))
    })
  }

  return {
    blows,
    async request() {
      const answers = await Promise.all([...members].map((member) => ask(member, 'request')))
      return {
        outcomes: answers.flatMap((answer) => answer?.outcomes ?? []),
        commands: answers.reduce((sum, answer) => sum + (answer?.commands ?? 0), 0),
      }
    },
    async kill(index) {
      const member = members[index]
      if (!member) return
      blows.push({ process: member.name, at: Date.now(), until: Number.POSITIVE_INFINITY })
      const gone = once(member.child, 'exit')
      member.child.kill('SIGKILL')
      await gone
      members[index] = await start(index)
    },
    async stop(index, ms) {
      const member = members[index]
      if (!member) return
      const blow = { process: member.name, at: Date.now(), until: Number.POSITIVE_INFINITY }
      blows.push(blow)
      member.child.kill('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, ms))
      blow.until = Date.now()
      member.child.kill('SIGCONT')
    },
    journal: () =>
      all.flatMap(({ name, journal }) =>
        existsSync(journal)
          ? readFileSync(journal, 'utf8')
              .split('\n')
              .filter((line) => line.endsWith('}'))
              .map((line) => ({ ...JSON.parse(line), process: name }))
          : [],
      ),
    async end() {
      for (const { child } of members) if (child.exitCode === null) child.kill('SIGCONT')
      await Promise.all(
        members.map(async (member) => {
          const gone =
            member.child.exitCode === null && !member.child.signalCode && once(member.child, 'exit')
          await ask(member, 'end')
          await gone
        }),
      )
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
