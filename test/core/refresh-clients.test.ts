import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readResult, Setback } from '../../src/core/outcome.ts'
import { newClock } from '../setup.ts'
import { CLIENTS, type Client } from './answers/clients.ts'
import { RETURNED, THROWN } from './answers/recorded.ts'
import {
  ANSWERS,
  type AnsweringServer,
  KINDS,
  type Kind,
  startAnsweringServer,
  type Verdict,
} from './answers/server.ts'

let server: AnsweringServer

beforeAll(async () => {
  server = await startAnsweringServer()
})

afterAll(() => server.close())

interface Reading {
  verdict: Verdict
  setback?: Setback
  /** How long the server asked for patience, in milliseconds. */
  patience: number
}

function read({ ask, dialect = 'http' }: Client, kind: Kind): Promise<Reading> {
  return readFrom(() => ask(server.url(kind, dialect), kind === 'no answer' ? 300 : 5_000))
}

async function readFrom(ask: () => unknown): Promise<Reading> {
  const { clock } = newClock()
  // Asynchronous, as `refresh` is run: some throw at once.
  const run = async () => ask()
  try {
    await readResult(run(), clock, false, undefined, undefined)
    return { verdict: 'tokens', patience: 0 }
  } catch (thrown) {
    if (!(thrown instanceof Setback)) throw thrown
    return { verdict: thrown.kind, setback: thrown, patience: Math.max(thrown.notBefore - clock.now(), 0) }
  }
}

describe('whatever client `refresh` uses, what was answered is what counts', () => {
  describe.concurrent.each(CLIENTS)('$name', (client) => {
    test.each(KINDS.filter((kind) => !client.skip?.includes(kind)))('%s', async (kind) => {
      const { verdict, patience } = await read(client, kind)
      expect(verdict).toBe(client.but?.[kind] ?? ANSWERS[kind])
      const told = kind.endsWith('Retry-After') && !client.deaf
      expect(patience).toBe(told ? 17_000 : kind === '503, a page' && patience ? 17_000 : 0)
    })
  })
})

describe('what was recorded of clients that are not installed here', () => {
  test.each(THROWN)('$client: $when: $verdict', async ({ source, ...expected }) => {
    const { verdict, patience } = await readFrom(() => {
      throw source
    })
    expect({ verdict, patience }).toEqual({ verdict: expected.verdict, patience: expected.patience })
  })

  test.each(RETURNED)('$client, returned: $when: $verdict', async ({ source, verdict }) => {
    expect((await readFrom(() => source)).verdict).toBe(verdict)
  })
})
