import { createSession, type SessionState } from 'refresh-once'
import { afterAll, expect, test } from 'vitest'
import { type ExternalStore, sessionStore } from './react.ts'

const session = createSession({ tokens: null, refresh: () => ({ accessToken: 'next' }) })
afterAll(() => session.close())

/** What React does with an external store: it renders again when the snapshot is another object. */
function render({ subscribe, getSnapshot }: ExternalStore): {
  rendered: SessionState[]
  unmount: () => void
} {
  const rendered = [getSnapshot()]
  const unmount = subscribe(() => {
    const snapshot = getSnapshot()
    if (!Object.is(snapshot, rendered.at(-1))) rendered.push(snapshot)
  })
  return { rendered, unmount }
}

test('a snapshot stays the same object until something changes: no endless rendering', async () => {
  const store = sessionStore(session)
  expect(store.getSnapshot()).toBe(store.getSnapshot())
  expect(Object.isFrozen(store.getSnapshot())).toBe(true)
})

test('one rendering per change, none after the component is gone', async () => {
  const { rendered, unmount } = render(sessionStore(session))
  await session.signIn('first')
  await session.refresh()
  expect(rendered.map(({ status, refreshing, generation }) => [status, refreshing, generation])).toEqual([
    ['signed-out', false, 1],
    ['signed-in', false, 1],
    ['signed-in', true, 1],
    ['signed-in', false, 2],
  ])
  unmount()
  await session.signOut()
  expect(rendered).toHaveLength(4)
})
