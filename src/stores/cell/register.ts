import type { Clock } from '../../core/clock.ts'
import { say } from '../../core/messages.ts'
import { within } from '../shared/within.ts'
import type { Cell } from './cell.ts'
import { type State, stateOf, textOf } from './state.ts'

/** What becomes of the state, or undefined where nothing does. It runs again where somebody was faster. */
type Change = (state: State) => State | undefined

export interface Register {
  read(): Promise<State>
  /** Resolves with the state that counts. `tells`: whether others are to hear of what `change` has made last. */
  update(change: Change, tells?: () => boolean): Promise<State>
}

/** Characters of what an engine says when it fails. */
const LONGEST_REASON = 200

/** So often a cell may refuse in a row, without having changed, until it is said to be out of order. */
const REFUSALS = 5

/** The state in a cell. What was read or written last is built on without another look: whether it still counts, shows. */
export function createRegister(
  cell: Cell,
  { clock, timeout, degraded }: { clock: Clock; timeout: number; degraded: (reason: string) => void },
): Register {
  let head: { readonly text: string | undefined } | undefined
  /** Was told to be none of ours. */
  let foreign: string | undefined

  async function look(): Promise<{ readonly text: string | undefined }> {
    const found: unknown = await answered(() => cell.read())
    const text = found ?? undefined
    if (text !== undefined && typeof text !== 'string')
      throw new TypeError(say('cell-answer', 'read', 'the text that was written', typeof text))
    head = { text }
    return head
  }

  function parsed(text: string | undefined): State {
    const state = stateOf(text)
    if (!state && foreign !== text) {
      foreign = text
      degraded(say('cell-foreign'))
    }
    return state ?? {}
  }

  async function answered<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await within(clock, timeout, `no answer within ${timeout} ms`, call)
    } catch (error) {
      // Some clients repeat the whole command, tokens and all: what is in brackets, or comes after, is not told.
      const [reason = ''] = String(Object(error).message).split(/[[{\n]/)
      throw Object.assign(new Error(say('cell-away', reason.slice(0, LONGEST_REASON))), {
        code: 'cell_unavailable',
      })
    }
  }

  return {
    read: async () => parsed((await look()).text),

    async update(change, tells = () => false) {
      let guessed = head
      for (let refusals = 0; ; guessed = undefined) {
        const { text } = guessed ?? (await look())
        const state = parsed(text)
        const next = change(state)
        if (!next && guessed) continue
        if (!next) return state
        const after = textOf(next)
        // Nobody knows what counts until it has answered.
        head = undefined
        const replaced: unknown = await answered(() => cell.replace(text, after, tells()))
        if (typeof replaced !== 'boolean')
          throw new TypeError(say('cell-answer', 'replace', 'whether it was replaced', typeof replaced))
        if (replaced) {
          head = { text: after }
          return next
        }
        if (guessed) continue
        refusals = (await look()).text === text ? refusals + 1 : 0
        if (refusals > REFUSALS) throw new Error(say('cell-refuses'))
      }
    },
  }
}
