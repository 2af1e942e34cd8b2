import { mkdirSync, watch as watchFolder } from 'node:fs'
import { basename, join as pathTo } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { compareVersions, isNews, join, type SessionStore, type Stored } from '../../core/store.ts'
import { createExclusive } from './exclusive.ts'
import { namesOfTurn, numberOf } from './names.ts'
import { type Change, createRegister, type Manner, newId, newName, textOf } from './register.ts'
import { type State, stateOf, type Turn } from './state.ts'

/** Where a login lives. Times are in milliseconds. */
export interface Home {
  readonly path: string
  readonly clock: Clock
  readonly lease: number
  readonly ttl: number
}

type Hear = (stored: Stored) => void

/** The store of one login: its record in a folder, and who may refresh it. */
export function createFileStore({ path, clock, lease, ttl }: Home): SessionStore {
  /** The newest record that this store was given, or gave. */
  let known: Stored | undefined
  let hearers: readonly Hear[] = []
  let report: (reason: string) => void = () => {}
  let watcher: { close(): void } | undefined
  let reading = false
  let readAgain = false
  let closed = false

  const register = createRegister(path, (reason) => report(reason))
  const exclusive = createExclusive({ path, clock, lease, ttl, register, change, listen, inherit })

  async function change(make: Change, manner?: Manner): Promise<State> {
    const state = await register.update(make, manner)
    tell(state.record)
    return state
  }

  /** A turn that is under way is a reservation. */
  function shown({ record, turn }: State): Stored | undefined {
    const own = exclusive.own()
    const mine = own?.id === turn?.id ? own : undefined
    if (!record || !turn || turn.generation <= record.version.generation || (mine && !mine.begun))
      return record
    return { ...record, pending: { generation: turn.generation, until: mine?.cleared ? 0 : turn.until } }
  }

  async function inherit(turn: Turn, state: State, names: readonly string[]): Promise<State> {
    let inherited = state
    for (const name of namesOfTurn(turn.id, names)) {
      const left = stateOf(await textOf(pathTo(path, name)))
      if (
        left?.record &&
        (!inherited.record || compareVersions(left.record.version, inherited.record.version) > 0)
      )
        inherited = { ...state, record: left.record }
    }
    return inherited
  }

  function learn(stored: Stored): Stored {
    if (isNews(stored, known)) known = stored
    return stored
  }

  function tell(stored: Stored | undefined): void {
    if (!stored || !isNews(stored, known)) return
    known = stored
    for (const hear of hearers) hear(stored)
  }

  async function read(): Promise<void> {
    readAgain = true
    if (reading) return
    reading = true
    while (readAgain) {
      readAgain = false
      // What cannot be read now is looked at when it is needed.
      await register.look().then(
        ({ state }) => tell(state.record),
        () => {},
      )
    }
    reading = false
  }

  function heard(_: string, name: string | null): void {
    const gone = name === basename(path)
    // What comes in its place is another folder, of which nothing is heard.
    if (gone) unlisten()
    else if (name !== null && register.isOld(name)) return
    listen()
    exclusive.wake()
    if (gone || name === null || numberOf(name)) void read()
  }

  /** Events are hints: they come late, twice, or not at all. */
  function listen(): void {
    if (watcher || closed) return
    try {
      const watching = watchFolder(path, { persistent: false }, heard)
      watching.on('error', unlisten)
      watcher = watching
    } catch {
      // There is none, or the system has no more of them: then it is looked at when it is needed.
    }
  }

  function unlisten(): void {
    watcher?.close()
    watcher = undefined
  }

  return {
    async load() {
      const { state } = exclusive.said() ?? (await register.look())
      listen()
      const stored = shown(state)
      return stored && learn(stored)
    },

    async save(next) {
      // Before it is written: the event may come before we know that it was.
      learn(next)
      const own = exclusive.own()
      const saved = await change(
        ({ record }) => {
          const joined = clean(record ? join(record, next) : next)
          return JSON.stringify(joined) === JSON.stringify(record) ? undefined : { record: joined }
        },
        {
          flush: Boolean(next.tokens ?? next.ended),
          guess: Boolean(own?.begun),
          name: newName(own && `${own.id}-${newId()}`),
        },
      )
      if (own && Number(saved.record?.version.generation) >= own.generation) own.saved = true
      return learn(shown(saved) ?? next)
    },

    exclusive: exclusive.run,

    watch(hear, degraded) {
      hearers = [...hearers, hear]
      if (degraded) report = degraded
      try {
        // So that others can be heard who sign in first.
        if (!watcher) mkdirSync(path, { recursive: true, mode: 0o700 })
      } catch {
        // It shows when it is to be written.
      }
      listen()
      return () => {
        hearers = hearers.filter((other) => other !== hear)
      }
    },

    close() {
      closed = true
      hearers = []
      unlisten()
    },
  }
}

/** A cooldown of zero is none: whoever saves twice writes once. */
function clean(record: Stored): Stored {
  return { ...record, notBefore: record.notBefore || undefined }
}
