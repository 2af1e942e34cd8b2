import { act, create, type ReactTestRenderer } from 'react-test-renderer'
import { afterAll, expect, test, vi } from 'vitest'
import { session } from './axios.ts'
import { App } from './react-app.tsx'

// React wants to be told that its changes are waited for.
vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
const { error } = console
// It is deprecated for what it renders to, which does not matter here.
vi.spyOn(console, 'error').mockImplementation((...told) => {
  if (!String(told[0]).includes('react-test-renderer is deprecated')) error(...told)
})

afterAll(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
  session.close()
})

test('a splash while nothing is known, then the home of who is signed in, then the login', async () => {
  let page: ReactTestRenderer | undefined
  await act(async () => {
    page = create(<App />)
  })
  expect(page?.toJSON()).toBe('one moment')
  await act(() => session.signIn('token'))
  expect(page?.toJSON()).toBe('home')
  await act(() => session.signOut())
  expect(page?.toJSON()).toBe('login')
})
