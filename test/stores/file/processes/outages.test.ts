import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
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

for (const [what, code, names] of [
  ['a full disk', 'ENOSPC', ['open']],
  ['a full disk, seen late,', 'ENOSPC', ['link', 'mkdir']],
  ['a read-only folder', 'EROFS', ['open', 'link', 'unlink', 'mkdir', 'rename']],
  [
    'a folder of another user',
    'EACCES',
    ['open', 'link', 'unlink', 'mkdir', 'rename', 'readdir', 'readFile'],
  ],
  ['a quota that is used up', 'EDQUOT', ['open', 'link', 'mkdir']],
  ['a disk that fails', 'EIO', ['readdir']],
  ['a share that is gone', 'ESTALE', ['open', 'link', 'unlink', 'mkdir', 'rename', 'readdir', 'readFile']],
  ['a process with too many open files', 'EMFILE', ['open', 'readFile', 'readdir']],
] as const) {
  test(`${what} before a refresh (${code}): nothing is sent, nothing is lost, and it goes on when it is over`, async () => {
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

for (const [where, env, other] of [
  ['where no file can have two names', { WITHOUT_LINKS: 'yes' }, { WITHOUT_LINKS: '' }],
  ['where open files can be neither removed nor renamed, as on Windows,', { WINDOWS: 'yes' }, {}],
  ['where no process tells when it was started, as on macOS,', { WITHOUT_PROC: 'yes' }, {}],
  [
    'on a network share, where a link that has succeeded is said to have failed and nobody hears,',
    { SHARE: 'yes' },
    {},
  ],
] as const) {
  test(`${where} processes share one refresh all the same`, async () => {
    const server = await startServer()
    const crew = newCrew(server, { env })
    await crew.signIn()
    const starting = [crew.start(), crew.start(), crew.start(), crew.start({ env: other })]
    const workers = await Promise.all(starting)
    for (let cycle = 1; cycle <= 6; cycle++) {
      server.expireAccessTokens()
      const answers = await Promise.all(workers.map((worker) => worker.request(5)))
      expect(answers.flat(), server.explain()).toEqual(Array(20).fill('200'))
      expect(server.count).toMatchObject({ refreshRequests: cycle, reuses: 0 })
    }
    await workers[0]?.ask('signOut')
    // Those that hear of nobody look when they need it: the token of each is refused, or he has heard.
    server.expireAccessTokens()
    const answers = await Promise.all(workers.map((worker) => worker.request()))
    for (const [answer] of answers as string[][]) expect(answer).toMatch(/^(401|session_expired)/)
    expect(server.count).toMatchObject({ refreshRequests: 6, reuses: 0 })
    // What could not be removed at once was removed later: no token stays behind, and the folder does not grow.
    expect(readdirSync(crew.path).length).toBeLessThan(12)
  })
}

test('the holder has died where no process tells when it was started: the next one goes on at once', async () => {
  const server = await startServer({ grace: 60_000 })
  // Whoever waits for time waits longer than this test does.
  const crew = newCrew(server, { env: { WITHOUT_PROC: 'yes' }, store: { lease: 900_000, ttl: 900_000 } })
  await crew.signIn()
  const [holder, next] = [await crew.start(), await crew.start()]
  server.expireAccessTokens()
  const gate = server.hold('/token')
  const struck = holder.request()
  await gate.untilArrived()
  await holder.kill()
  gate.release()
  await struck
  expect(await next.request()).toEqual(['200'])
})

test('a process that never exits, and whose refresh never comes back, holds up the others no longer than the leases of its two tries', async () => {
  const server = await startServer()
  const crew = newCrew(server, { store: { lease: 6_000 }, session: { lease: 6_000 } })
  await crew.signIn()
  const [holder, next] = [await crew.start({ env: { NEVER: 'yes' } }), await crew.start()]
  server.expireAccessTokens()
  void holder.request()
  await holder.ask('hanging')
  expect(await next.request()).toEqual(['200'])
  server.expireAccessTokens()
  expect(await next.request()).toEqual(['200'])
  expect(server.count).toMatchObject({ refreshes: 2, reuses: 0 })
  expect(holder.child.exitCode).toBeNull()
})
