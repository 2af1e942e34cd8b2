import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

// The scripts are plain JavaScript: they have no types of their own.
const script = (name: string): string => new URL(`../scripts/${name}`, import.meta.url).href
const { SHORTENED, internalNames } = (await import(script('internal-names.mjs'))) as {
  SHORTENED: string[]
  internalNames(compiler: typeof ts, root: string, entries: string[]): string[]
}
const { entries } = (await import(script('production.mjs'))) as { entries(): Record<string, string> }

test('what has a short name in the build for production is seen by no user, store, client or runtime', () => {
  const names = internalNames(ts, fileURLToPath(new URL('../', import.meta.url)), Object.values(entries()))
  expect(SHORTENED.filter((name) => !names.includes(name))).toEqual([])
}, 120_000)
