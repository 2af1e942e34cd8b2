import { type ReactElement, StrictMode } from 'react'
import { renderToString } from 'react-dom/server'
import { create, type ReactTestRenderer } from 'react-test-renderer'
import { createSession, type Session, SessionError, type SessionOptions } from 'refresh-once'
import { type UseSessionOptions, useSession } from 'refresh-once/react'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { deferred } from './setup.ts'

beforeAll(() => {
  const { error } = console
  // It is deprecated for what it renders to, which does not matter here.
  vi.spyOn(console, 'error').mockImplementation((...told) => {
    if (!String(told[0]).includes('react-test-renderer is deprecated')) error(...told)
  })
})
afterAll(() => void vi.restoreAllMocks())

const leftOvers: (() => void)[] = []
afterEach(() => {
  for (const end of leftOvers.splice(0)) end()
})

function open(options: SessionOptions): Session {
  const session = createSession(options)
  leftOvers.push(session.close)
  return session
}

let rendered: string[] = []

function Shown({ session, options }: { session: Session; options?: UseSessionOptions | undefined }): string {
  const { signedIn, failure, state } = useSession(session, options)
  const shown = `${signedIn} ${state.generation} ${failure?.code ?? ''}`.trim()
  rendered.push(shown)
  return shown
}

function mount(element: ReactElement): ReactTestRenderer {
  rendered = []
  const page = create(element)
  leftOvers.push(() => page.unmount())
  return page
}

/** What is shown now. */
const shownOn = (page: ReactTestRenderer) => (): unknown => page.toJSON()

test('where nothing is known, one refresh finds out, in strict mode and with several components', async () => {
  const refresh = vi.fn(() => ({ accessToken: 'first' }))
  const session = open({ refresh })
  const page = mount(
    <StrictMode>
      <Shown session={session} />
      <Shown session={session} />
    </StrictMode>,
  )
  await expect.poll(shownOn(page)).toEqual(['true 1', 'true 1'])
  expect(refresh).toHaveBeenCalledTimes(1)
})

test('where that is refused, nobody is signed in', async () => {
  const refresh = vi.fn(() => new Response('{}', { status: 401 }))
  const page = mount(<Shown session={open({ refresh })} />)
  await expect.poll(shownOn(page)).toMatch(/^false/)
  expect(refresh).toHaveBeenCalledTimes(1)
})

test('where it fails for now, the component is told, and it is tried again', async () => {
  let answers = 0
  const session = open({
    retries: 0,
    refresh: () => {
      if (answers++ === 0) throw new SessionError('refresh_failed', 'not now')
      return { accessToken: 'first' }
    },
  })
  const page = mount(<Shown session={session} />)
  await expect.poll(shownOn(page)).toBe('undefined 0 refresh_failed')
  await expect.poll(shownOn(page), { timeout: 10_000 }).toMatch(/^true/)
})

test('in cookie mode it finds out, too', async () => {
  const refresh = vi.fn()
  const page = mount(<Shown session={open({ mode: 'cookie', refresh })} />)
  await expect.poll(shownOn(page)).toBe('true 1')
  expect(refresh).toHaveBeenCalledTimes(1)
})

test('it asks nothing where somebody is signed in, or where it is told not to', async () => {
  const refresh = vi.fn(() => ({ accessToken: 'next' }))
  const signedIn = mount(<Shown session={open({ refresh, tokens: { accessToken: 'mine' } })} />)
  await expect.poll(shownOn(signedIn)).toMatch(/^true/)
  const quiet = open({ refresh })
  const page = mount(<Shown session={quiet} options={{ ask: false }} />)
  await expect.poll(shownOn(page)).toBe('undefined 0')
  await quiet.getAccessToken()
  await expect.poll(shownOn(page)).toBe('true 1')
  expect(refresh).toHaveBeenCalledTimes(1)
})

test('a component shows each change, and none after it is gone', async () => {
  const session = open({ tokens: null, refresh: () => ({ accessToken: 'next' }) })
  const page = mount(<Shown session={session} />)
  await expect.poll(shownOn(page)).toMatch(/^false/)
  await session.signIn('first')
  await expect.poll(shownOn(page)).toBe('true 1')
  await session.refresh()
  await expect.poll(shownOn(page)).toBe('true 2')
  await session.signOut()
  await expect.poll(shownOn(page)).toMatch(/^false/)
  const before = rendered.length
  page.unmount()
  await session.signIn('third')
  await session.refresh()
  expect(rendered).toHaveLength(before)
})

test('who leaves while the refresh is out leaves nothing behind', async () => {
  const answer = deferred<string>()
  const refresh = vi.fn(() => answer.promise)
  const session = open({ refresh })
  const page = mount(<Shown session={session} />)
  await expect.poll(() => refresh.mock.calls.length).toBe(1)
  page.unmount()
  answer.resolve('late')
  await expect.poll(() => session.state.status).toBe('signed-in')
  expect(new Set(rendered)).toEqual(new Set(['undefined 0']))
})

test('a server renders that nothing is known, whatever its session says, and asks nothing', () => {
  const refresh = vi.fn()
  for (const tokens of [undefined, null, { accessToken: 'mine' }])
    expect(renderToString(<Shown session={open({ refresh, tokens })} />)).toBe('undefined 0')
  expect(refresh).not.toHaveBeenCalled()
})

test('a server that knows who is signed in renders it', () => {
  const session = open({ refresh: () => undefined, tokens: { accessToken: 'mine' } })
  const options = { served: session.state }
  expect(renderToString(<Shown session={session} options={options} />)).toMatch(/^true/)
})
