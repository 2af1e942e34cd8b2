import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { say as sayShortly } from '../../src/core/messages.production.ts'
import { messages, say } from '../../src/core/messages.ts'

/** A row of docs/errors.md: what the arguments are is seen in the code. */
const rows = Object.entries<(...details: never[]) => string>(messages).map(([code, tell]) => {
  const text = tell(...Array.from<never>({ length: tell.length }).fill('…' as never))
  return `| \`${code}\` | ${text.replaceAll('|', '\\|')} |`
})

test('docs/errors.md has every code with its message, in the order of the source', () => {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  expect(page.match(/^\| `.+\|$/gm)).toEqual(rows)
})

test('every code is used', () => {
  const folder = new URL('../../src/', import.meta.url)
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.ts$/.test(name),
  )
  const source = files.map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n')
  const said = [...source.matchAll(/\bsay\(.*/g)].join('\n')
  expect(Object.keys(messages).filter((code) => !said.includes(`'${code}'`))).toEqual([])
})

test('the build for production says the code and the arguments', () => {
  expect(say('deadline', 'GET https://api.example.com/items', 10_000)).toMatch(/^GET https.+10000 ms/)
  expect(sayShortly('deadline', 'GET https://api.example.com/items', 10_000)).toBe(
    'refresh-once: deadline GET https://api.example.com/items 10000',
  )
  expect(sayShortly('option', 'createSession', 'leeway', undefined)).toBe(
    'refresh-once: option createSession leeway undefined',
  )
})
