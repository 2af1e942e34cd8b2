import { say } from '../../core/messages.ts'
import { type Stored, storedOf } from '../../core/store.ts'
import type { TokenSet } from '../../core/tokens.ts'
import type { KeyValueStorage } from '../memory.ts'
import { hexOf } from './names.ts'

/** A record as it is on the disk: with a name in the place of tokens that are kept elsewhere. */
export type Kept = Stored & { readonly secret?: string | undefined }

export interface Secrets {
  /** Rejects where nothing could be put now: that is to be known before a token is spent. */
  probe(): Promise<void>
  /** Puts the tokens of a record elsewhere: one entry per token set, never written over. */
  put(record: Stored): Promise<Kept>
  /** The record with its tokens. Rejects where they cannot be had now: that is no sign-out. */
  get(record: Kept): Promise<Stored>
  /** Removes what has these names. */
  drop(names: readonly (string | undefined)[]): Promise<void>
}

/** What somebody else's operation brings, as long as it is waited for; `name` says what did not come to an end. */
export type Soon = <T>(name: string, call: () => T | PromiseLike<T>) => Promise<T>

/** Characters. Windows keeps 2,560 bytes for each entry, and each character takes two. */
const LONGEST = 1_200

/** What is put to see whether anything can be: one name for all, so that no more than one can stay behind. */
const PROBE = 'probe/1'

/**
 * Keeps the tokens of records elsewhere, in a keychain for example; or where they are, if there is no such place.
 *
 * A long token set is divided among several entries. Its name says among how many.
 */
export function createSecrets(storage: KeyValueStorage | undefined, soon: Soon): Secrets {
  /** What was put or read last. */
  let known: { secret: string | undefined; tokens: TokenSet } | undefined

  const entries = (secret = '') =>
    Array.from({ length: Number(/\/(\d{1,3})$/.exec(secret)?.[1] ?? 0) }, (_, index) => `${secret}.${index}`)

  const answerOf = <T>(call: () => T | PromiseLike<T>) => soon('secrets', call)

  async function drop(names: readonly (string | undefined)[]): Promise<void> {
    for (const entry of names.flatMap(entries)) {
      try {
        await answerOf(() => storage?.removeItem(entry))
      } catch {
        // The next one tries again.
      }
    }
  }

  return {
    drop,

    async probe() {
      await answerOf(() => storage?.setItem(`${PROBE}.0`, PROBE))
      await drop([PROBE])
    },

    async put(record) {
      const { version, tokens, ...rest } = record
      if (!storage || !tokens) return record
      // Whatever keeps it may know no other characters.
      const text = JSON.stringify(tokens).replace(/[^ -~]/g, (character) => `\\u${hexOf(character, 4)}`)
      const secret = `${Object.values(version).join('-')}/${Math.ceil(text.length / LONGEST)}`
      for (const [index, entry] of entries(secret).entries())
        await answerOf(() => storage.setItem(entry, text.slice(index * LONGEST, (index + 1) * LONGEST)))
      known = { secret, tokens }
      return { version, ...rest, secret }
    },

    async get({ secret, ...record }) {
      if (secret === undefined) return record
      if (known?.secret !== secret) {
        try {
          const parts: unknown[] = []
          for (const entry of entries(secret)) parts.push(await answerOf(() => storage?.getItem(entry)))
          const tokens = JSON.parse(parts.join(''))
          // What is there may be none.
          if (!storedOf({ ...record, tokens })) throw new TypeError()
          known = { secret, tokens }
        } catch (cause) {
          throw new Error(say('file-secret'), { cause })
        }
      }
      return { ...record, tokens: known.tokens }
    },
  }
}
