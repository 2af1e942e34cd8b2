import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createTestClock } from 'refresh-once/testing'
import { afterEach, expect, test } from 'vitest'
import { startServer, times } from '../../../setup.ts'
import { newCrew } from './crew.ts'
import { seed } from './soaking.ts'

const children: ChildProcess[] = []
afterEach(async () => {
  await Promise.all(
    children.splice(0).map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }),
  )
})

/** Resolves with a function that lets it begin: it takes so many milliseconds to read the file, and tells of its answer. */
async function startBeginner(task: object): Promise<(delay: number) => Promise<unknown>> {
  const file = fileURLToPath(new URL('beginner.mjs', import.meta.url))
  const child = fork(file, [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  children.push(child)
  await once(child, 'message')
  return async (delay) => {
    const answered = once(child, 'message')
    child.send({ delay })
    const [{ status }] = (await answered) as [{ status: unknown }]
    return status
  }
}

for (const expired of [true, false]) {
  test(`processes that begin at the same moment with one former file, whose token ${expired ? 'has expired' : 'is good'}, send its refresh token at most once`, async () => {
    const server = await startServer()
    const { random } = createTestClock({ seed }).clock
    for (let round = 1; round <= 3; round++) {
      const { path } = newCrew(server)
      const former = join(path, '..', 'former.json')
      writeFileSync(former, JSON.stringify(server.mint('alice')))
      if (expired) server.expireAccessTokens()
      const task = { path, former, url: server.url, tokenEndpoint: server.tokenEndpoint, ttl: 5_000 }
      const begin = await Promise.all(times(6, () => startBeginner(task)))
      // Some read it while others have renewed already what is in it.
      const statuses = await Promise.all(begin.map((go) => go(random() * 120)))
      expect(statuses, server.explain()).toEqual(times(6, () => 200))
      expect(server.count).toMatchObject({ refreshRequests: expired ? round : 0, reuses: 0 })
    }
  })
}
