import type { Events } from './events.ts'
import type { InitialTokens, SessionOptions, Settings } from './options.ts'
import type { Stored } from './store.ts'
import { readTokens } from './tokens.ts'

/** What a sign-in, or a sign-out, puts in the place of all that was before. */
export type Content = Omit<Stored, 'version'>

/** Those of a session's parts with which a token set is read. */
interface Reader {
  readonly settings: Settings
  readonly cookie: boolean
  readonly events: Events
}

/** What the options say of the beginning: at once, or when they are asked. */
export class Beginning {
  #tokens: SessionOptions['tokens']

  constructor(tokens: SessionOptions['tokens']) {
    this.#tokens = tokens
    // Whoever asks hears of a promise that is rejected.
    Object(tokens).catch?.(() => {})
  }

  /** It has not been told yet. */
  get open(): boolean {
    return isOpen(this.#tokens)
  }

  /** What was told; nothing as long as it is open. @throws TypeError that says what is wrong with it */
  read(reader: Reader): Content | undefined {
    const tokens = this.#tokens
    return isOpen(tokens) ? undefined : contentOf(reader, tokens)
  }

  /** Rejects where it cannot be told for now, or is of no use. */
  async ask(reader: Reader): Promise<Content | undefined> {
    const tokens = this.#tokens
    const told = await (typeof tokens === 'function' ? tokens() : tokens)
    const content = contentOf(reader, told)
    this.#tokens = told
    return content
  }
}

function contentOf({ settings, cookie, events }: Reader, tokens: InitialTokens): Content | undefined {
  if (tokens === undefined) return undefined
  if (tokens === null) return { ended: 'signed-out' }
  // Nobody can be listening yet.
  const told = (reason: string) => void Promise.resolve().then(() => events.warn(reason))
  return { tokens: readTokens(tokens, settings.clock, cookie, false, { told, alone: true }) }
}

function isOpen(tokens: SessionOptions['tokens']): tokens is Exclude<typeof tokens, InitialTokens> {
  return typeof tokens === 'function' || typeof Object(tokens).then === 'function'
}
