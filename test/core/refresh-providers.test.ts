import { describe, expect, test } from 'vitest'
import { readResult, Setback } from '../../src/core/outcome.ts'
import { newClock } from '../setup.ts'
import { OTHERS, PROVIDERS } from './answers/providers.ts'
import type { Verdict } from './answers/server.ts'

function respond(status: number, body: unknown): Response {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const type = text.startsWith('<') ? 'text/html' : 'application/json'
  return new Response(text, { status, headers: { 'content-type': type } })
}

async function verdictOf(status: number, body: unknown): Promise<Verdict> {
  try {
    await readResult(Promise.resolve(respond(status, body)), newClock().clock, false, undefined, undefined)
    return 'tokens'
  } catch (thrown) {
    if (!(thrown instanceof Setback)) throw thrown
    return thrown.kind
  }
}

describe('what providers answer', () => {
  test.each(PROVIDERS)('$provider: $when: $verdict', async ({ status, body, verdict }) => {
    expect(await verdictOf(status, body)).toBe(verdict)
  })

  test('each has a source, and at least forty have one', () => {
    const names = new Set(PROVIDERS.map(({ provider }) => provider))
    expect(names.size).toBeGreaterThanOrEqual(40)
    for (const { source } of PROVIDERS) expect(new URL(source).protocol).toBe('https:')
  })
})

describe('what others answer', () => {
  test.each(OTHERS)('%s (%d)', async (_, status, body, verdict) => {
    expect(await verdictOf(status, body)).toBe(verdict)
  })
})
