import { configureStore } from '@reduxjs/toolkit'
import { createSession } from 'refresh-once'
import { afterEach, expect, test, vi } from 'vitest'
import { createQueries } from './clients/tanstack-query.ts'
import { onOtherUser } from './other-user.ts'
import { createItemsApi } from './react-caches.tsx'

const opened: { close(): void }[] = []
afterEach(() => {
  for (const session of opened.splice(0)) session.close()
})

function open(tokens?: null): {
  session: ReturnType<typeof createSession>
  forget: ReturnType<typeof vi.fn>
} {
  const session = createSession({ refresh: () => ({ accessToken: 'first' }), tokens })
  opened.push(session)
  const forget = vi.fn()
  onOtherUser(session, forget)
  return { session, forget }
}

test('a first token, a next one, and one of the same user forget nothing', async () => {
  const { session, forget } = open()
  await session.getAccessToken()
  await session.refresh()
  await session.update({ accessToken: 'other-organisation' })
  expect(forget).not.toHaveBeenCalled()
})

test('another user, a sign-out and a sign-in after it forget what was loaded, each once', async () => {
  const { session, forget } = open()
  await session.getAccessToken()
  await session.signIn('other-user')
  expect(forget).toHaveBeenCalledTimes(1)
  await session.signOut()
  expect(forget).toHaveBeenCalledTimes(2)
  await session.signIn('again')
  expect(forget).toHaveBeenCalledTimes(3)
})

test('who has looked around without a token, and then signs in, forgets what nobody was shown', async () => {
  const { session, forget } = open(null)
  await expect.poll(() => session.state.status).toBe('signed-out')
  await session.signIn('first')
  expect(forget).toHaveBeenCalledTimes(1)
})

test('a client of TanStack Query, and a store of RTK Query, that are made once are emptied', async () => {
  const { session } = open()
  await session.getAccessToken()
  const queries = createQueries()
  queries.setQueryData(['me'], 'alice')
  const api = createItemsApi(async () => Response.json({ user: 'alice' }), 'https://api.example.com')
  const store = configureStore({
    reducer: { [api.reducerPath]: api.reducer },
    middleware: (standard) => standard().concat(api.middleware),
  })
  await store.dispatch(api.endpoints.item.initiate('/me'))
  const kept = (): unknown => [queries.getQueryData(['me']), store.getState().api.queries]
  expect(JSON.stringify(kept()).match(/alice/g)).toHaveLength(2)

  onOtherUser(session, () => {
    void queries.resetQueries()
    store.dispatch(api.util.resetApiState())
  })
  await session.signIn('other-user')
  expect(JSON.stringify(kept())).not.toContain('alice')
})
