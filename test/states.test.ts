/** The states in the guide are those that the code has. */
import { readFileSync } from 'node:fs'
import * as product from 'refresh-once'
import * as fetch from 'refresh-once/fetch'
import * as testing from 'refresh-once/testing'
import { expect, test } from 'vitest'

interface Change {
  from: string
  to: string
  event: string
  when: string[]
}

interface States {
  explore(product: object): Promise<Change[]>
  tableOf(changes: Change[]): string
  pictureOf(changes: Change[]): string
}

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

// The scripts are plain JavaScript: they have no types of their own.
const { explore, tableOf, pictureOf } = (await import(new URL('scripts/states.mjs', root).href)) as States
const changes = await explore({ ...product, ...fetch, ...testing })

test('the table and the picture of the guide are what `npm run states` makes of the code', () => {
  expect(read('docs/guide.md')).toContain(`\n${tableOf(changes)}\n`)
  expect(read('docs/states.svg')).toBe(pictureOf(changes))
})

test('nothing leads into a state that the picture has no place for, and nobody is left in one', () => {
  const states = new Set(changes.map(({ to }) => to))
  expect([...states].filter((state) => !changes.some(({ from }) => from === state))).toEqual([])
  expect(() => pictureOf([{ from: 'signed-in', to: 'lost', event: 'lost', when: [] }])).toThrow(
    'A new state: lost',
  )
})
