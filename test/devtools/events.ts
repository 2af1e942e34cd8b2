import type { SessionEvent, SessionState } from 'refresh-once'

const BEGIN = 1_800_000_000_000

type Details = { type: SessionEvent['type'] } & Record<string, unknown>

/** Makes events as a session tells them: at so many milliseconds after a beginning, with the state of then. */
export function storyOf(
  ...steps: [at: number, details: Details, state?: Partial<SessionState>][]
): SessionEvent[] {
  let state: SessionState = { status: 'signed-in', refreshing: false, generation: 1, signIn: 'first' }
  return steps.map(([at, details, change]) => {
    state = Object.freeze({ ...state, ...change })
    return { at: BEGIN + at, state, ...details } as unknown as SessionEvent
  })
}

/** A request in such an event. */
export function request(id: number, generation = 1, more: object = {}) {
  return { id, method: 'GET', url: `https://api.test/items/${id}`, attempt: 1, generation, ...more }
}

export const at = (ms: number): number => BEGIN + ms
