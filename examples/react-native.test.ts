import { createSession, type Session } from 'refresh-once'
import { afterEach, expect, test } from 'vitest'
import { askWhenActive } from './react-native.ts'

const opened: Session[] = []
afterEach(() => {
  for (const session of opened.splice(0)) session.close()
})

/** What a phone does: it is in a tunnel, sleeps, and comes back. */
function phone(): {
  appState: Parameters<typeof askWhenActive>[1]
  become(state: string): void
  listeners: Set<(state: string) => void>
} {
  const listeners = new Set<(state: string) => void>()
  return {
    listeners,
    appState: {
      addEventListener(_type, listener) {
        listeners.add(listener)
        return { remove: () => void listeners.delete(listener) }
      },
    },
    become(state) {
      for (const listener of listeners) listener(state)
    },
  }
}

test('back in front, the app asks at once, though the last refresh has found no network', async () => {
  let online = false
  let asked = 0
  const session = createSession({
    retries: 0,
    refresh: () => {
      asked += 1
      if (!online) throw new TypeError('Network request failed')
      return { accessToken: 'first' }
    },
  })
  opened.push(session)
  const { appState, become, listeners } = phone()
  const stop = askWhenActive(session, appState)
  await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'refresh_failed' })
  const before = asked
  // In its cooldown it asks nobody.
  await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'refresh_failed' })
  expect(asked).toBe(before)

  online = true
  become('background')
  expect(session.state.refreshing).toBe(false)
  become('active')
  await expect.poll(() => session.state.status).toBe('signed-in')
  become('active')
  expect(session.state.refreshing).toBe(false)
  expect(asked).toBe(before + 1)
  stop()
  expect(listeners.size).toBe(0)
})
