import { mkdirSync, watch as watchFolder } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Clock, systemClock } from '../../core/clock.ts'
import { say } from '../../core/messages.ts'
import { join, newEpoch, newNonce, type SessionStore, type Stored } from '../../core/store.ts'
import { readTokens } from '../../core/tokens.ts'
import type { KeyValueStorage } from '../memory.ts'
import { createAgain } from '../shared/again.ts'
import { createExclusive } from '../shared/exclusive.ts'
import { createNews } from '../shared/news.ts'
import { within } from '../shared/within.ts'
import { createClaims } from './claim.ts'
import { digestOf, numberOf } from './names.ts'
import { type Change, createRegister, type Manner, newId, newName, textOf } from './register.ts'
import { createSecrets, type Kept, type Soon } from './secrets.ts'
import type { State } from './state.ts'

/** Where a login lives. Times are in milliseconds. */
export interface Home {
  readonly path: string
  readonly clock: Clock
  readonly lease: number
  readonly ttl: number
  readonly secrets?: KeyValueStorage | undefined
  readonly migrate?: (() => unknown) | undefined
}

/** The folder, and a keychain, are waited for this part of the lease: the turn must not be over with it. */
const PATIENCE = 4

/** The store of one login: its record in a folder, and who may refresh it. */
export function createFileStore(home: Home): SessionStore {
  const { path, clock, lease, ttl, secrets: storage, migrate } = home
  const { isNew, learn, tell, report, watch, end } = createNews()
  let watcher: { close(): void } | undefined
  let closed = false

  // What the machine does takes the machine's own time, whatever clock a session is given.
  const soon: Soon = (name, call) => within(systemClock, lease / PATIENCE, say('hangs', name), call)
  const secrets = createSecrets(storage, soon)
  const register = createRegister(path, soon, report)
  const { claim, own, shown } = createClaims({ ...home, register, soon, secrets, change, listen })
  const exclusive = createExclusive(clock, lease, ttl, claim)

  async function change(make: Change, manner?: Manner): Promise<State> {
    const state = await register.update(make, manner)
    await hear(state.record)
    return state
  }

  async function hear(record: Kept | undefined): Promise<void> {
    if (record && isNew(record)) tell(await secrets.get(record).catch(() => undefined))
  }

  const read = createAgain(async () => {
    // What cannot be read now is looked at when it is needed.
    await register.look().then(
      ({ state }) => hear(state.record),
      () => {},
    )
  })

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

  /**
   * @param first only where there is no record yet
   */
  async function put(next: Stored, first = false): Promise<State> {
    // Before it is written: the event may come before we know that it was.
    learn(next)
    const turn = own()
    const kept = await secrets.put(next)
    const state = await change(
      ({ record, secrets = [] }) => {
        if (record && first) return undefined
        const joined: Kept = record ? join(record, kept) : kept
        // A cooldown of zero is none: whoever saves twice writes once.
        const written = { ...joined, notBefore: joined.notBefore || undefined }
        if (JSON.stringify(written) === JSON.stringify(record)) return undefined
        return { record: written, secrets: secretsOf(joined, secrets).slice(0, 4) }
      },
      {
        flush: Boolean(next.tokens ?? next.ended),
        guess: Boolean(turn?.open),
        name: newName(turn && `${turn.id}-${newId()}`),
      },
    )
    if (turn && Number(state.record?.version.generation) >= turn.generation) turn.open = false
    // The newest and the one before are needed; after the end none is, nor is one that did not come to be the record.
    const all = secretsOf(state.record, state.secrets)
    const needed = all.splice(0, state.record?.ended ? 0 : 2)
    await secrets.drop([...all, needed.includes(String(kept.secret)) ? undefined : kept.secret])
    return state
  }

  /** Takes over what the app has kept elsewhere until now; once only, because what is in it is spent from then on. */
  async function takeOver(state: State): Promise<State> {
    const found = await migrate?.()
    if (!found) return state
    const told = (reason: string) => report(reason)
    const tokens = readTokens(found, clock, false, false, { alone: true, told })
    const mark = digestOf(tokens.refreshToken ?? tokens.accessToken)
    // Beside the folder: it is to outlive it.
    const marks = `${path}.migrated`
    if ((await textOf(marks)).includes(mark)) {
      const { state } = await register.look()
      // Others may have taken them over while we asked.
      if (!state.record) report(say('file-spent'))
      return state
    }
    // Older than any sign-in.
    const version = { epoch: newEpoch(clock, '', 0), generation: 1, nonce: newNonce(clock) }
    const taken = await put({ version, tokens }, true)
    await appendFile(marks, `${mark}\n`, { mode: 0o600 })
    return taken
  }

  return {
    async load() {
      let { state } = exclusive.said() ?? (await register.look(!own()))
      if (!state.record && migrate) state = await takeOver(state)
      listen()
      const record = shown(state)
      return record && learn(await secrets.get(record))
    },

    async save(next) {
      const record = shown(await put(next))
      return learn(record ? await secrets.get(record) : next)
    },

    exclusive: exclusive.run,

    watch(hear, degraded) {
      const unwatch = watch(hear, degraded)
      try {
        // So that others can be heard who sign in first. Deno says later, and to nobody, that there is no folder.
        mkdirSync(path, { recursive: true, mode: 0o700 })
      } catch {
        // It shows when it is to be written.
      }
      listen()
      return unwatch
    },

    close() {
      closed = true
      end()
      unlisten()
    },
  }
}

/** The names of secrets, that of the record first. */
function secretsOf({ secret }: Partial<Kept> = {}, names: readonly string[] = []): string[] {
  return [...new Set(secret ? [secret, ...names] : names)]
}
