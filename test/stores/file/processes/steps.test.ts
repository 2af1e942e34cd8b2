import { expect, test } from 'vitest'
import { startServer } from '../../../setup.ts'
import { type Fault, newCrew, type WorkerOptions } from './crew.ts'

/** Milliseconds. */
const TTL = 2_000

/** What became of a process that was hit before one step of a refresh, and of the next one. */
interface Row {
  readonly step: string
  /** How often the refresh token was sent. */
  readonly sends: number
  /** How long the next process waited for its answer, in milliseconds. */
  readonly wait: number
}

/** The steps of one refresh, by the process that does it. */
async function stepsOfRefresh(common: WorkerOptions): Promise<{ operations: string[]; steps: string[] }> {
  const server = await startServer()
  const crew = newCrew(server, common)
  await crew.signIn()
  const worker = await crew.start()
  expect(await worker.request()).toEqual(['200'])
  // A session that has seen one refresh has removed what was there before.
  for (let cycle = 0; cycle < 2; cycle++) {
    server.expireAccessTokens()
    await worker.begin()
    expect(await worker.request(5)).toEqual(Array(5).fill('200'))
  }
  expect(server.count).toMatchObject({ refreshes: 2, reuses: 0 })
  return worker.take()
}

async function strike(fault: Fault, name: string, common: WorkerOptions): Promise<Row> {
  const server = await startServer({ grace: 60_000 })
  const crew = newCrew(server, common)
  await crew.signIn()
  const victim = await crew.start()
  server.expireAccessTokens()
  expect(await victim.request()).toEqual(['200'])
  server.expireAccessTokens()
  await victim.begin(fault)
  const struck = victim.request()
  await victim.untilHit()
  const before = server.count.refreshRequests
  const next = await crew.start()
  const asked = performance.now()
  expect(await next.request(), `${name}: the next one`).toEqual(['200'])
  const wait = Math.round(performance.now() - asked)
  if (fault.signal === 'SIGSTOP') {
    victim.resume()
    expect(await struck, `${name}: the one that was stopped`).toEqual(['200'])
  }
  const sends = server.count.refreshRequests - 1
  expect(sends, name).toBeGreaterThanOrEqual(before - 1)
  // What is kept is the newest that the server gave.
  server.expireAccessTokens()
  expect(await next.request(), `${name}: at the next expiry`).toEqual(['200'])
  expect(server.count, `${name}\n${server.explain()}`).toMatchObject({ reuses: 0 })
  return { step: name, sends, wait }
}

/** So many at a time. */
async function sweep(signal: Fault['signal'], common: WorkerOptions): Promise<Row[]> {
  const { steps } = await stepsOfRefresh(common)
  const rows: Row[] = []
  const next = steps.entries()
  const lane = async () => {
    for (const [index, name] of next)
      rows[index] = await strike({ step: index + 1, signal }, `${index + 1} ${name}`, common)
  }
  await Promise.all(Array.from({ length: signal === 'SIGKILL' ? 3 : 8 }, lane))
  return rows
}

function report(what: string, rows: readonly Row[]): void {
  const waits = rows.map(({ wait }) => wait).sort((a, b) => a - b)
  console.log(
    `${what} before each of ${rows.length} steps: ${rows.filter(({ sends }) => sends > 1).length} second sends, ` +
      `the next one waits ${waits[Math.floor(waits.length / 2)]} ms, at most ${waits.at(-1)} ms`,
  )
}

const common = { store: { ttl: TTL } }

test('opening a session that is signed in takes two operations on files', async () => {
  const crew = newCrew(await startServer(), common)
  await crew.signIn()
  expect((await (await crew.start()).take()).operations).toEqual(['readdir', 'open'])
})

test('a refresh takes at most 14 operations on files, a request with a usable token none', async () => {
  const { operations } = await stepsOfRefresh(common)
  console.log(`one refresh: ${operations.length} operations: ${operations.join(', ')}`)
  expect(operations.length).toBeLessThanOrEqual(14)
  const server = await startServer()
  const crew = newCrew(server, common)
  await crew.signIn()
  const worker = await crew.start()
  await worker.begin()
  expect(await worker.request(5)).toEqual(Array(5).fill('200'))
  expect((await worker.take()).operations).toEqual([])
})

for (const [signal, hit] of [
  ['SIGKILL', 'killed'],
  ['SIGSTOP', 'stopped'],
] as const) {
  test(`a process that is ${hit} before any single step of a refresh holds up nobody, and nothing is lost`, {
    timeout: 300_000,
  }, async () => {
    const rows = await sweep(signal, common)
    report(hit, rows)
    // Between the answer and the last word of it on the disk nothing can be done: the answer is in one process only.
    expect(rows.filter(({ sends }) => sends > 1).map(({ step }) => step.replace(/^\d+ /, ''))).toEqual([
      'open',
      'open.writeFile',
    ])
    expect(Math.max(...rows.map(({ sends }) => sends))).toBeLessThanOrEqual(2)
  })
}
