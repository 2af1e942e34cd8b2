import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startServer } from '../../../setup.ts'
import { newCrew } from './crew.ts'

test('a process whose work is done comes to its end by itself, and whoever is signed in still is', async () => {
  const server = await startServer()
  const crew = newCrew(server)
  await crew.signIn()
  server.expireAccessTokens()
  const program = `
    import { createSession } from 'refresh-once'
    import { withSession } from 'refresh-once/fetch'
    import { fileStore } from 'refresh-once/file'
    const { path, url, tokenEndpoint } = ${JSON.stringify({ path: crew.path, url: server.url, tokenEndpoint: server.tokenEndpoint })}
    const session = createSession({
      store: fileStore({ path }),
      refresh: ({ tokens }) => fetch(tokenEndpoint, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }),
        headers: { connection: 'close' },
      }),
    })
    const call = withSession(session, { origins: [url] })
    const response = await call(url + '/api/items', { headers: { connection: 'close' } })
    await response.text()
    console.log(response.status)
  `
  const run = () =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 })
  for (let cycle = 0; cycle < 2; cycle++) expect((await run()).stdout).toBe('200\n')
  expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

for (const [code, names] of [
  ['ENOSPC', ['open']],
  ['ENOSPC', ['link', 'mkdir']],
  ['EROFS', ['open', 'link', 'unlink', 'mkdir', 'rename']],
  ['EIO', ['readdir']],
  ['EMFILE', ['open', 'readFile', 'readdir']],
] as const) {
  test(`${code} of ${names.join(', ')} before a refresh: nothing is sent, nothing is lost, and it goes on when it is over`, async () => {
    const server = await startServer()
    const crew = newCrew(server, { session: { retries: 0 } })
    await crew.signIn()
    const [one, other] = [await crew.start(), await crew.start()]
    server.expireAccessTokens()
    await one.ask('refuse', { code, names })
    const [outcome] = (await one.request()) ?? []
    // It has its own 401, or hears why there is no new token.
    expect(outcome).toMatch(/^401|refresh_failed/)
    expect(server.count.refreshRequests).toBe(0)
    expect(await other.request()).toEqual(['200'])
    await one.ask('refuse', { names: [] })
    // After a pause: it has failed a moment ago.
    await expect.poll(() => one.request(), { timeout: 20_000 }).toEqual(['200'])
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    server.expireAccessTokens()
    expect(await one.request()).toEqual(['200'])
  })
}

test('the disk is full when the answer is saved: its process goes on, and saves it when there is room', async () => {
  const server = await startServer()
  const crew = newCrew(server)
  await crew.signIn()
  const worker = await crew.start()
  server.expireAccessTokens()
  const gate = server.hold('/token')
  const requesting = worker.request()
  await gate.untilArrived()
  await worker.ask('refuse', { code: 'ENOSPC', names: ['open'] })
  gate.release()
  expect(await requesting).toEqual(['200'])
  expect(await worker.ask('status')).toMatchObject({ degraded: ['the new tokens were not saved'] })
  await worker.ask('refuse', { names: [] })
  await expect.poll(() => worker.ask('busy'), { timeout: 20_000 }).toBe(false)
  expect(await (await crew.start()).request()).toEqual(['200'])
  expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

test('where no file can have two names, processes share one refresh all the same', async () => {
  const server = await startServer()
  const crew = newCrew(server, { env: { WITHOUT_LINKS: 'yes' } })
  await crew.signIn()
  const workers = await Promise.all([
    crew.start(),
    crew.start(),
    crew.start(),
    crew.start({ env: { WITHOUT_LINKS: '' } }),
  ])
  for (let cycle = 1; cycle <= 4; cycle++) {
    server.expireAccessTokens()
    const answers = await Promise.all(workers.map((worker) => worker.request(5)))
    expect(answers.flat(), server.explain()).toEqual(Array(20).fill('200'))
    expect(server.count).toMatchObject({ refreshRequests: cycle, reuses: 0 })
  }
})
