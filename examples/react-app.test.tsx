import { renderToString } from 'react-dom/server'
import { create } from 'react-test-renderer'
import { afterAll, expect, test, vi } from 'vitest'
import { session } from './axios.ts'
import { App } from './react-app.tsx'

const { error } = console
// It is deprecated for what it renders to, which does not matter here.
vi.spyOn(console, 'error').mockImplementation((...told) => {
  if (!String(told[0]).includes('react-test-renderer is deprecated')) error(...told)
})

afterAll(() => {
  vi.restoreAllMocks()
  session.close()
})

test('a splash while nothing is known, then the home of who is signed in, then the login', async () => {
  const page = create(<App />)
  const shown = (): unknown => page.toJSON()
  // What a server sends, and the browser shows first.
  expect(renderToString(<App />)).toBe('one moment')
  // Outside of a page nothing is there that could answer `/refresh`.
  await expect.poll(shown).toBe('the server cannot be reached')
  await session.signIn('token')
  await expect.poll(shown).toMatchObject({ type: 'button', children: ['leave'] })
  page.root.findByType('button').props.onClick()
  await expect.poll(shown).toBe('login')
})
