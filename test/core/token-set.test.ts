/** What the server says beside the tokens. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore, type SessionStore } from 'refresh-once'
import { fileStore } from 'refresh-once/file'
import { afterAll, expect, test } from 'vitest'
import { open, watch } from '../setup.ts'
import { asyncStorage } from './storage.ts'

const said = {
  scope: 'read write',
  id_token: 'eyJ.e30.',
  issuer: 'https://as.example',
  nested: { a: [1, null] },
}

test('is told with the access token, as it came, and without the refresh token', async () => {
  const session = open({
    refresh: () => ({ access_token: 'a', refresh_token: 'secret', expires_in: 300, ...said }),
  })
  const set = await session.getTokenSet()
  expect(set).toMatchObject({ accessToken: 'a', ...said })
  expect(set).not.toHaveProperty('refreshToken')
  expect(JSON.stringify(set)).not.toContain('secret')
})

test('is a copy: whoever changes it changes nothing', async () => {
  const session = open({ refresh: () => 'unused', tokens: { accessToken: 'a', scope: 'read' } })
  const set = await session.getTokenSet()
  set.accessToken = 'forged'
  set.scope = 'everything'
  expect(await session.getTokenSet()).toMatchObject({ accessToken: 'a', scope: 'read' })
  expect(await session.getAccessToken()).toBe('a')
})

test('is kept where a refresh does not name it again, and not beyond a sign-in', async () => {
  const session = open({
    refresh: () => ({ access_token: 'b', scope: 'read' }),
    tokens: { accessToken: 'a', ...said },
  })
  await session.refresh()
  expect(await session.getTokenSet()).toMatchObject({ ...said, accessToken: 'b', scope: 'read' })
  await session.signIn('c')
  const set = await session.getTokenSet()
  expect(set).toMatchObject({ accessToken: 'c' })
  for (const name of Object.keys(said)) expect(set).not.toHaveProperty(name)
})

test('is in no state and in no event', async () => {
  const session = open({
    refresh: () => ({ access_token: 'b', ...said }),
    tokens: { accessToken: 'a', ...said },
  })
  const seen = watch(session)
  await session.refresh()
  await session.getTokenSet()
  const told = JSON.stringify([seen.events, session.state])
  for (const value of ['read write', 'eyJ', 'as.example']) expect(told).not.toContain(value)
})

const folder = await mkdtemp(join(tmpdir(), 'token-set-'))
afterAll(() => rm(folder, { recursive: true }))
const content = new Map<string, string>()
const stores: [name: string, open: () => SessionStore][] = [
  ['a storage', () => memoryStore({ storage: asyncStorage(content) })],
  ['a folder', () => fileStore({ path: join(folder, 'login') })],
]

for (const [name, store] of stores) {
  test(`is found again in ${name}`, async () => {
    const first = open({ refresh: () => 'unused', store: store(), tokens: null })
    await first.signIn({ access_token: 'a', refresh_token: 'r', ...said })
    first.close()
    const second = open({ refresh: () => 'unused', store: store() })
    expect(await second.getTokenSet()).toMatchObject({ accessToken: 'a', ...said })
  })
}
