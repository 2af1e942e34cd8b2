import type { Session } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, newClock, open } from '../setup.ts'
import { type Api, CLIENTS } from './client.ts'

/** Whatever a caller may give as a reason; DOM says: any value. */
const REASONS: [string, unknown][] = [
  ['an error', new Error('the user left')],
  ['a text', 'gone'],
  ['an object', { why: 'gone' }],
  ['an empty text', ''],
  ['zero', 0],
  ['NaN', Number.NaN],
  ['false', false],
  ['null', null],
]

/** A signal with this reason. Whoever asks it again and again, instead of leaving, hears that he spins. */
function watched(signal: AbortSignal): AbortSignal {
  let asked = 0
  const { addEventListener } = signal
  signal.addEventListener = (...listener: Parameters<AbortSignal['addEventListener']>) => {
    if (++asked > 20) throw new Error('it spins')
    addEventListener.apply(signal, listener)
  }
  return signal
}

/** As the abort-controller package has it, which React Native ships: a signal that knows no reasons. */
function withoutReason(signal: AbortSignal): AbortSignal {
  Object.defineProperty(signal, 'reason', { value: undefined })
  return signal
}

/** A session whose refresh is not answered. */
function waiting(): Session {
  return open({
    clock: newClock().clock,
    tokens: { accessToken: 'first', expiresAt: 1 },
    refresh: () => deferred<string>().promise,
  })
}

const WAYS: [string, (session: Session, signal: AbortSignal) => Promise<unknown>][] = [
  ['getAccessToken', (session, signal) => session.getAccessToken({ signal })],
  ['refresh', (session, signal) => session.refresh({ signal })],
]

describe.each(WAYS)('%s', (_, wait) => {
  test.each(REASONS)('rejects with the reason of its signal: %s', async (_, reason) => {
    const controller = new AbortController()
    const waited = wait(waiting(), watched(controller.signal)).then(
      () => ({ resolved: true }),
      (error) => ({ error }),
    )
    controller.abort(reason)
    expect(await waited).toEqual({ error: reason })
    const late = wait(waiting(), watched(AbortSignal.abort(reason)))
    await expect(late.catch((error) => ({ error }))).resolves.toEqual({ error: reason })
  })

  test('rejects with an AbortError where the signal knows no reasons', async () => {
    const controller = new AbortController()
    const waited = wait(waiting(), watched(withoutReason(controller.signal)))
    controller.abort()
    await expect(waited).rejects.toMatchObject({ name: 'AbortError' })
  })
})

describe.each(CLIENTS)('$name', (client) => {
  const held = (): Api => client.attach({ url: 'http://127.0.0.1:9' }, waiting())

  test.each(REASONS)(
    'a held request whose signal aborts with %s is the caller’s abort',
    async (_, reason) => {
      const controller = new AbortController()
      const sent = held()('/items', { signal: watched(controller.signal) })
      controller.abort(reason)
      const { settled, status } = await sent
      expect(status).toBe(0)
      if (client.name.startsWith('fetch')) expect(settled).toBe(reason)
      else expect(settled).toMatchObject({ code: 'ERR_CANCELED' })
    },
  )

  test('a held request whose signal knows no reasons is aborted all the same', async () => {
    const controller = new AbortController()
    const sent = held()('/items', { signal: watched(withoutReason(controller.signal)) })
    controller.abort()
    expect((await sent).settled).toMatchObject({ name: /AbortError|CanceledError/ })
  })
})
