import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSession } from 'refresh-once'
import { afterAll, expect, test } from 'vitest'
import { inKeychain } from './keychain.ts'
import { fromFile } from './migrate.ts'

const folder = mkdtempSync(join(tmpdir(), 'my-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('tokens are in the keychain; where there is none for now, signing in fails, and nothing is on the disk', async () => {
  const path = join(folder, 'keychain')
  const session = createSession({ refresh: () => 'never', store: inKeychain(path), tokens: null })
  const [signedIn] = await Promise.allSettled([
    session.signIn({ accessToken: 'precious', refreshToken: 'precious too' }),
  ])
  // Here: the message of the system's own library.
  if (signedIn.status === 'rejected') expect(String(signedIn.reason)).toMatch(/platform|storage|secret|dbus/i)
  else expect((await inKeychain(path).load())?.tokens?.accessToken).toBe('precious')
  const kept = existsSync(path) ? readdirSync(path) : []
  for (const name of kept) expect(readFileSync(join(path, name), 'utf8')).not.toContain('precious')
  await session.signOut()
  session.close()
})

test('a file that the app has had until now is taken over once, and may be missing', async () => {
  const [path, former] = [join(folder, 'login'), join(folder, 'auth.json')]
  expect(await fromFile(path, former).load()).toBeUndefined()
  writeFileSync(former, JSON.stringify({ access_token: 'old', refresh_token: 'older', expires_in: 60 }))
  expect((await fromFile(path, former).load())?.tokens).toMatchObject({
    accessToken: 'old',
    refreshToken: 'older',
  })
  writeFileSync(former, JSON.stringify({ access_token: 'other', refresh_token: 'another' }))
  expect((await fromFile(path, former).load())?.tokens).toMatchObject({
    accessToken: 'old',
    refreshToken: 'older',
  })
  writeFileSync(former, 'not JSON')
  await expect(fromFile(join(folder, 'new'), former).load()).rejects.toThrow(SyntaxError)
})
