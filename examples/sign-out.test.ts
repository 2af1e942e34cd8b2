import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'
import { followSignOut, signOut } from './sign-out.ts'

const page = await openPage()
const { server, cookies } = page
const { api, session } = await import('./axios.ts')
const shown: string[] = []
/** Whether the server had been told when the login was shown. */
const told: boolean[] = []
followSignOut(session, (reason) => {
  shown.push(reason)
  told.push(server.log.some(({ kind }) => kind === 'logout'))
})

afterAll(async () => {
  session.close()
  await page.close()
})

async function signIn(): Promise<void> {
  const { data } = await api.post('/login?cookie', { user: 'alice', password: 'secret' }, { session: false })
  await session.signIn({ ...data, access_token: cookies.get('access_token') ?? '' })
}

test('the server is told when no refresh is running any more: no late cookie revives the session', async () => {
  await signIn()
  const refresh = server.hold('/refresh')
  server.expireAccessTokens()
  const error = api.get('/api/items').catch((error) => error)
  await refresh.untilArrived()
  const done = signOut(session)
  expect(session.state.status).toBe('signed-out')
  expect((await error).response.status).toBe(401)
  expect(server.log.some(({ kind }) => kind === 'logout')).toBe(false)
  refresh.release()
  await done
  expect(server.log.at(-1)?.kind).toBe('logout')
  expect([...cookies.keys()]).toEqual([])
  expect([shown, told]).toEqual([['signed-out'], [true]])
})

test('a refresh that the server refuses ends it as well', async () => {
  await signIn()
  server.revokeFamily('alice')
  expect((await api.get('/api/items').catch((error) => error)).response.status).toBe(401)
  expect(shown).toEqual(['signed-out', 'rejected'])
})
