/** What lies beneath a store never answers: once, or for ever. One table for all stores. */
import type { Session, SessionStore } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { open, watch, withoutJitter } from '../setup.ts'

/** Milliseconds: of the session, and for the stores. */
export const LEASE = 1_000
const DEADLINE = 400

/** Makes calls of a client hang, also those of what it duplicates. */
export type LetHang = <Client extends object>(client: Client) => Client

export interface Beneath {
  readonly name: string
  /** Methods of the client that may hang. */
  readonly places: readonly string[]
  /** Those that only tidy up: nothing is lost without them. */
  readonly tidies?: readonly string[]
  /** Another store of the same session. */
  open(letHang: LetHang, place: string): SessionStore | Promise<SessionStore>
  /** Whether others hear what was saved. */
  readonly shared: boolean
}

/** A refresh, a sign-in and whatever else, until all is well again. */
async function recovered(session: Session, token: string): Promise<void> {
  for (;;) {
    await session.signIn(token).catch(() => {})
    const refreshed = await session.refresh().then(
      () => true,
      () => false,
    )
    if (refreshed && session.state.status === 'signed-in') return
  }
}

/** What an app calls, and another one in between; each has to settle. Resolves with the errors. */
async function useAll(session: Session, other: Session): Promise<unknown[]> {
  const verbs: (() => Promise<unknown>)[] = [
    () => session.refresh(),
    () => other.refresh(),
    () => session.refresh(),
    () => session.getAccessToken(),
    () => session.update({ accessToken: 'updated', refreshToken: 'r' }),
    () => session.signIn({ accessToken: 'next', refreshToken: 'r' }),
    () => session.refresh(),
    () => session.signOut({ server: () => {} }),
  ]
  const errors: unknown[] = []
  for (const verb of verbs) await verb().catch((error) => errors.push(error))
  return errors
}

const never = (): Promise<never> => new Promise(() => {})

/**
 * @param place the method that hangs, from its `first` call to its `last`
 * @param hung counts
 */
export function hanging(
  place: string,
  first = 1,
  last: number = Number.POSITIVE_INFINITY,
  hung: { count: number } = { count: 0 },
): LetHang {
  let calls = 0
  const letHang: LetHang = (client) =>
    new Proxy(client, {
      get(target, member) {
        const value = Reflect.get(target, member)
        if (typeof value !== 'function') return value
        if (member === 'duplicate') return (...all: unknown[]) => letHang(value.apply(target, all))
        return (...all: unknown[]) => {
          if (member !== place || ++calls < first || calls > last) return value.apply(target, all)
          hung.count++
          return never()
        }
      },
    })
  return letHang
}

export function hangTests({ name, places, tidies = [], open: openStore, shared }: Beneath): void {
  describe.each(places)(`${name}: \`%s\``, (place) => {
    /** A session whose client hangs, and how often it did. */
    async function stage(first: number, last: number) {
      const hung = { count: 0 }
      const letHang = hanging(place, first, last, hung)
      let refreshes = 0
      const openSession = async (beneath: LetHang): Promise<Session> =>
        open({
          clock: withoutJitter(),
          lease: LEASE,
          deadline: DEADLINE,
          store: await openStore(beneath, place),
          refresh: () => ({ accessToken: `new-${++refreshes}`, refreshToken: 'r' }),
        })
      const other = await openSession((client) => client)
      await other.signIn({ accessToken: 'old', refreshToken: 'r' })
      const session = await openSession(letHang)
      return { hung, session, other, seen: watch(session) }
    }

    test.each([1, 2, 4])(
      'hangs once, at its call %i: everything settles, and the session goes on',
      async (nth) => {
        const { hung, session, other, seen } = await stage(nth, nth)
        await useAll(session, other)
        expect(session.state.status).toBe('signed-out')
        await recovered(session, 'again')
        expect(await session.getAccessToken()).toMatch(/^new-/)
        if (nth === 1) expect(hung.count).toBe(1)

        if (!shared) return
        // Others see it, and are heard.
        await other.refresh()
        const heard = seen.of('signed-out').length + 1
        await other.signOut()
        await seen.until('signed-out', heard)
      },
    )

    test('hangs for ever: everything settles, it is told, and a sign-out works', async () => {
      const { hung, session, other, seen } = await stage(1, Number.POSITIVE_INFINITY)
      const errors = await useAll(session, other)
      expect(session.state.status).toBe('signed-out')
      expect(hung.count).toBeGreaterThan(0)
      if (!tidies.includes(place)) expect([...errors, ...seen.of('degraded')]).not.toEqual([])
      await session.signIn('next').catch(() => {})
      expect(await session.getAccessToken()).toBe('next')
    })
  })
}
