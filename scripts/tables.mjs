/**
 * The tables of the documents that a test run makes.
 *
 * A test says in its `meta` which cells it proves (test/cells.ts), and the reports of Vitest hold that together
 * with what became of it. The README, or a page of docs/, holds each table between `<!-- table: NAME -->` and
 * `<!-- end of table -->`: columns and the order of rows are written there by hand, the cells are not.
 *
 * `node scripts/tables.mjs [--write] [REPORT …]` compares the pages with the reports (those of the last
 * `npm test` where none are named), or rewrites them. `npm test` compares.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const TABLE = /(<!-- table: (\S+) -->\n+)(\|.*?\n)(\n*<!-- end of table -->)/gs

/**
 * What the reports say, as `{ table, row, column, text }`. A cell that several tests prove is 'no' as soon as one
 * of them failed, and missing when none was executed.
 */
export function cellsOf(reports) {
  const cells = new Map()
  const assertions = reports.flatMap(({ testResults }) =>
    testResults.flatMap(({ assertionResults }) => assertionResults),
  )
  for (const { status, meta } of assertions) {
    if (status !== 'passed' && status !== 'failed') continue
    for (const { table, row, column, text = 'yes' } of meta?.cells ?? []) {
      const key = [table, row, column].join('\n')
      if (cells.get(key)?.text === 'no') continue
      cells.set(key, { table, row, column, text: status === 'passed' ? text : 'no' })
    }
  }
  return [...cells.values()]
}

/**
 * Puts the cells into the tables of the pages. Returns the pages, what was different, and what no test has proved.
 * A table is in one page only: twice would be a difference.
 */
export function fillTables(pages, cells) {
  const differences = []
  const notRun = []
  const found = new Set()
  const fill = (_, start, name, written, end) => {
    if (found.has(name)) differences.push(`table ${name}: there is another one`)
    found.add(name)
    const [head, ruler, ...body] = written.trimEnd().split('\n')
    const columns = split(head).slice(1).map(plain)
    const proved = cells.filter(({ table }) => table === name)
    const rows = body.map(split).map(([label, ...texts]) => ({ label, texts }))
    for (const { row, column } of proved) {
      if (!columns.includes(column)) differences.push(`table ${name}: there is no column ${column}`)
      if (!rows.some(({ label }) => plain(label) === row)) rows.push({ label: row, texts: [] })
    }
    for (const { label, texts } of rows) {
      const row = plain(label)
      for (const [index, column] of columns.entries()) {
        const cell = proved.find((cell) => cell.row === row && cell.column === column)
        const before = texts[index] ?? ''
        if (!cell) notRun.push(`table ${name}: ${row}, ${column}`)
        else if (cell.text !== before)
          differences.push(
            `table ${name}: ${row}, ${column}: it says '${before}', and the run '${cell.text}'`,
          )
        texts[index] = cell ? cell.text : before
      }
    }
    const lines = [head, ruler, ...rows.map(({ label, texts }) => `| ${[label, ...texts].join(' | ')} |`)]
    return `${start}${lines.join('\n')}\n${end}`
  }
  const filled = pages.map((page) => page.replace(TABLE, fill))
  const missing = new Set(cells.map(({ table }) => table).filter((name) => !found.has(name)))
  for (const name of missing) differences.push(`table ${name}: there is none`)
  return { pages: filled, differences, notRun }
}

/** Compares the documents with the reports of Vitest in these files. */
export function compareDocuments(reports) {
  const texts = documents().map((path) => readFileSync(path, 'utf8'))
  return fillTables(texts, cellsOf(reports.filter(existsSync).map(readJson)))
}

/** The README, and the pages of docs/. */
function documents() {
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
  return [join(root, 'README.md'), ...pages.map((name) => join(root, 'docs', name))]
}

function split(line) {
  const inner = line.trim().replace(/^\||\|$/g, '')
  return inner.split('|').map((cell) => cell.trim())
}

/** A label without its link and its code marks. */
function plain(label) {
  return label.replace(/\[(.*?)\]\(.*?\)/g, '$1').replaceAll('`', '')
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const named = process.argv.slice(2).filter((argument) => argument !== '--write')
  const last = ['tests.json', 'browser-tests.json', 'runtimes.json'].map((name) => join(root, '.cache', name))
  const { pages, differences, notRun } = compareDocuments(named.length ? named : last)
  for (const difference of differences) console.log(difference)
  for (const cell of notRun) console.log(`not run: ${cell}`)
  if (process.argv.includes('--write'))
    for (const [index, path] of documents().entries()) writeFileSync(path, pages[index])
  else if (differences.length > 0) process.exitCode = 1
}
