import { expect, test } from 'vitest'
import { type Cell, proves } from './cells.ts'

interface Filled {
  pages: string[]
  differences: string[]
  notRun: string[]
}

interface Tables {
  cellsOf(reports: object[]): Cell[]
  fillTables(pages: string[], cells: Cell[]): Filled
}

// The scripts are plain JavaScript: they have no types of their own.
const script = new URL('../scripts/tables.mjs', import.meta.url).href
const { cellsOf, fillTables } = (await import(script)) as Tables

const PAGE = `<!-- table: clients -->

| client | storm | abort |
|---|---|---|
| [ky](examples/ky.ts) | yes | yes |
| ofetch | yes | – |

<!-- end of table -->
`

/** A report of Vitest with one test for each of these. */
function report(...tests: [status: string, row: string, column: string, text?: string][]): object {
  const assertionResults = tests.map(([status, row, column, text]) => ({
    status,
    ...proves({ table: 'clients', row, column, ...(text && { text }) }),
  }))
  return { testResults: [{ assertionResults }] }
}

const ALL: Parameters<typeof report> = [
  ['passed', 'ky', 'storm'],
  ['passed', 'ky', 'abort'],
  ['passed', 'ofetch', 'storm'],
  ['passed', 'ofetch', 'abort', '–'],
]

test('a table that says what the run says is left as it is', () => {
  expect(fillTables(['', PAGE], cellsOf([report(...ALL)]))).toEqual({
    pages: ['', PAGE],
    differences: [],
    notRun: [],
  })
})

test('a test that fails takes its cell with it, whatever others prove of the same cell', () => {
  const cells = cellsOf([report(['failed', 'ky', 'storm']), report(...ALL)])
  const {
    pages: [, page],
    differences,
  } = fillTables(['', PAGE], cells)
  expect(differences).toEqual(["table clients: ky, storm: it says 'yes', and the run 'no'"])
  expect(page).toContain('| [ky](examples/ky.ts) | no | yes |\n')
})

test('a cell that no test has proved is not run, and neither is one whose test was skipped', () => {
  const { pages, differences, notRun } = fillTables([PAGE], cellsOf([report(['skipped', 'ky', 'storm'])]))
  expect([pages, differences]).toEqual([[PAGE], []])
  expect(notRun).toHaveLength(4)
})

test('a row that the table does not have is a difference, and is added', () => {
  const { pages, differences } = fillTables([PAGE], cellsOf([report(...ALL, ['passed', 'wretch', 'storm'])]))
  expect(differences).toHaveLength(1)
  expect(pages[0]).toContain('| wretch | yes |  |\n')
})

test('a column or a table that is not there is a difference, and so is a table that is there twice', () => {
  const cells = cellsOf([report(...ALL, ['passed', 'ky', 'replay'])])
  expect(fillTables([PAGE], cells).differences).toEqual(['table clients: there is no column replay'])
  expect(fillTables([''], cells).differences).toEqual(['table clients: there is none'])
  expect(fillTables([PAGE, PAGE], cellsOf([report(...ALL)])).differences).toEqual([
    'table clients: there is another one',
  ])
})
