import { constants } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises'
import { join as pathTo } from 'node:path'
import { say } from '../../core/messages.ts'
import { EARLIEST, FIRST, givenName, isLeftOver, nameOf, numberOf, numbersIn } from './names.ts'
import type { Soon } from './secrets.ts'
import { FORMAT, type State, stateOf } from './state.ts'

/** What is there, and what the folder holds. */
interface Head {
  /** 0 where nothing is. */
  readonly number: number
  readonly state: State
  readonly names: readonly string[]
}

/** Makes the next state out of the present one: the members that change; undefined where none does. */
export type Change = (
  state: State,
  names: readonly string[],
) => Partial<State> | undefined | Promise<Partial<State> | undefined>

/** How to write. */
export interface Manner {
  /** On the disk before anybody is told: it is to outlive the machine's end. */
  flush?: boolean
  /** The head that is known will do to begin with: whether it is still the head shows when the next is written. */
  guess?: boolean
  /** Of the temporary file. */
  name?: string
  /** The temporary file stays. */
  keep?: boolean
}

export interface Register {
  /** @param hasty nothing is built on it: it may be one that was removed, and linked again by one who slept */
  look(hasty?: boolean): Promise<Head>
  /**
   * Replaces the state by what `change` makes of it. That runs again where somebody was faster, and must then see in
   * the state what it has done already. Resolves with the state that counts.
   */
  update(change: Change, manner?: Manner): Promise<State>
  /** Whether an event with this name tells nothing new. */
  isOld(name: string): boolean
}

/** What has not come to an end. */
const FOLDER = 'the folder'

const NOTHING: Head = { number: 0, state: {}, names: [] }

/** A listing is looked at again so often, where it seems to say that the state has gone back. */
const TRIES = 3

/** Where no file can have two names, a state is a folder with this file in it. */
const INNER = 'state.json'

/**
 * A register with compare-and-set, made of numbered files: each holds a whole state, and is written once. The greatest
 * number is the state. The next one is a finished temporary file that is linked to the next number, which fails where
 * somebody was faster. There is no lock: whoever is killed or stopped anywhere holds up nobody.
 *
 * A link that succeeds proves nothing yet: whoever slept may link a number that was used and removed long ago. So one
 * more look at the folder decides. A number is removed only where a greater one is there; hence, if ours is the greatest
 * now, no greater one ever was, and ours was never used before.
 *
 * All must agree on what comes next. The first number is 1, and says where to go on, with a time: so a folder that was
 * deleted and made anew has other numbers than those that somebody remembers.
 */
export function createRegister(path: string, soon: Soon, degraded: (reason: string) => void): Register {
  const at = (number: number) => pathTo(path, nameOf(number))
  let head = NOTHING
  /** Is going to be linked: its event, which may come first, is no news. */
  let writing = 0
  /** Was told to be none of ours. */
  let told = 0

  const list = (): Promise<string[]> => readdir(path).catch(orNone([]))

  /** One operation where nothing has changed, else three; in haste two. */
  async function look(hasty = false): Promise<Head> {
    for (let tries = 0; ; tries++) {
      let names = await list()
      const numbers = numbersIn(names)
      const [number = 0] = numbers
      // A listing is no snapshot everywhere: the former may be gone, and the next one not seen.
      if (number < head.number && tries < TRIES) continue
      let { state } = head
      // The first is never known: the folder may be another one.
      if (number !== head.number || number <= FIRST) {
        state = await read(numbers)
        if (!hasty || state.skipped) {
          names = await list()
          // Removed, and linked again by one who slept? Then a greater one is there.
          if ((numbersIn(names)[0] ?? 0) !== number) continue
        }
        if (state.skipped?.includes(number) && told !== number) {
          told = number
          degraded(say('file-foreign', at(number)))
        }
      }
      if (state.turn && names.includes(givenName(state.turn.id))) state = { ...state, turn: undefined }
      const found = { number, state, names }
      if (!hasty) head = found
      return found
    }
  }

  /** The state in the first of these that holds one. What is none is not touched: it keeps its number. */
  async function read(numbers: readonly number[]): Promise<State> {
    const skipped: number[] = []
    for (const number of numbers) {
      const state = stateOf(await textOf(at(number)))
      if (state && (number > FIRST || state.since)) return skipped.length ? { ...state, skipped } : state
      skipped.push(number)
    }
    return { skipped }
  }

  async function update(change: Change, manner: Manner = {}): Promise<State> {
    const { flush = false, keep = false } = manner
    let lost = 0
    for (let { guess } = manner; ; guess = false) {
      const from = guess && head.number > FIRST ? head : await look()
      const changed = await change(from.state, from.names)
      if (!changed) return from.state
      if (!from.number) await mkdir(path, { recursive: true, mode: 0o700 })
      const number =
        (from.number <= FIRST && from.state.since) || (from.number === FIRST ? EARLIEST : from.number + 1)
      const skipped = from.state.skipped?.filter((other) => from.names.includes(nameOf(other)))
      const state: State = {
        ...from.state,
        ...changed,
        'refresh-once': FORMAT,
        skipped: skipped?.length ? skipped : undefined,
      }
      if (number <= FIRST) state.since = laterNumber()
      const text = JSON.stringify(state)
      const temporary = pathTo(path, manner.name ?? newName())
      let linked = false
      try {
        await write(temporary, text, flush)
        writing = number
        linked = await publish(temporary, number, text, flush)
      } catch (error) {
        // The folder has gone since the look.
        if (codeOf(error) !== 'ENOENT' || ++lost > TRIES) throw error
      } finally {
        if (!linked) writing = 0
        if (!(linked && keep)) await remove(temporary)
      }
      if (!linked) continue
      if (flush) await flushFolder(path)
      const names = await list()
      if (numbersIn(names)[0] === number) {
        head = number > FIRST ? { number, state, names } : NOTHING
        await clean(state, names)
        return state
      }
      // Overtaken: by somebody who has built on ours, or while we slept. It is looked at whether it counts.
      if (keep) await remove(temporary)
    }
  }

  /** Gives the state its number. Resolves with false where somebody was faster. */
  async function publish(temporary: string, number: number, text: string, flush: boolean): Promise<boolean> {
    try {
      await link(temporary, at(number))
      return true
    } catch (error) {
      const code = codeOf(error)
      if (code === 'EEXIST') return false
      // It was removed, or all of it.
      if (code === 'ENOENT') throw error
    }
    // No file has two names here (FAT, some shares). A folder that is not empty is not replaced either.
    const folder = `${temporary}-folder`
    try {
      await mkdir(folder, { mode: 0o700 })
      await write(pathTo(folder, INNER), text, flush)
      await rename(folder, at(number))
      return true
    } catch (error) {
      await remove(folder)
      // By which name a system refuses that differs.
      if ((numbersIn(await list())[0] ?? 0) >= number) return false
      throw error
    }
  }

  /** Removes what is no longer needed. The former state stays, unless its tokens must not. */
  async function clean(state: State, names: readonly string[]): Promise<void> {
    const ended = state.record?.ended !== undefined
    const old = numbersIn(names).slice(ended ? 1 : 2)
    await Promise.all(
      names.map((name) => {
        const number = numberOf(name)
        const file = pathTo(path, name)
        if (state.skipped?.includes(number))
          return rename(file, `${file}${newName()}.unreadable`).catch(() => {})
        return old.includes(number) || isLeftOver(name, state.turn?.id, ended) ? remove(file) : undefined
      }),
    )
  }

  const isOld = (name: string) =>
    name[0] === '.' || (numberOf(name) || Number.POSITIVE_INFINITY) <= Math.max(head.number, writing)

  return {
    look: (hasty) => soon(FOLDER, () => look(hasty)),
    update: (change, manner) => soon(FOLDER, () => update(change, manner)),
    isOld,
  }
}

/** A number of 13 digits, also where the clock stands at its beginning. */
const laterNumber = (): number => Math.max(Date.now(), Math.floor(EARLIEST + Math.random() * 1e9))

/** Of a temporary file: when, and by whom. */
export function newName(id: string = newId()): string {
  return `.login-${Date.now()}-${id}`
}

export function newId(): string {
  return Math.random().toString(36).slice(2)
}

async function write(path: string, text: string, flush: boolean): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    if (flush) await file.sync()
  } finally {
    await file.close()
  }
}

/** What systems and runtimes say of what is no file, and of one that is larger than any text. All else may pass. */
const NO_FILE = /ENOENT|DIR|LOOP|ENXIO|NOTSUP|ERR_|Range/

/** What a file holds; nothing where it has gone, leads nowhere, or is none. */
export function textOf(path: string): Promise<string> {
  return contentOf(path)
    .catch((error) => (codeOf(error) === 'EISDIR' ? contentOf(pathTo(path, INNER)) : Promise.reject(error)))
    .catch(orNone('', NO_FILE))
}

async function contentOf(path: string): Promise<string> {
  // Nobody may ever write into a pipe.
  const file = await open(path, constants.O_NONBLOCK)
  try {
    // What has no size holds nothing, or has no end.
    const status = await file.stat()
    return status.size || status.isDirectory() ? await file.readFile('utf8') : ''
  } finally {
    await file.close()
  }
}

/** What is not there is nothing. */
function orNone<T>(none: T, codes = /^ENOENT$/): (error: unknown) => T {
  return (error) => {
    if (codes.test(`${codeOf(error) ?? error}`)) return none
    throw error
  }
}

/** Makes names durable. Windows cannot open a folder: there NTFS keeps a journal of its names. */
async function flushFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    await folder.sync().finally(() => folder.close())
  } catch {}
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    // A folder, or on Windows a file that somebody reads at this moment.
    if (codeOf(error) !== 'ENOENT')
      await rm(path, { recursive: true, force: true, maxRetries: 3 }).catch(() => {})
  }
}

function codeOf(error: unknown): unknown {
  return Object(error).code
}
