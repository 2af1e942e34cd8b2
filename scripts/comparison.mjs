/**
 * The tables of docs/comparison.md, out of the runs in bench/REPORT.md. `npm run bench -- side-by-side` writes both; a test
 * compares them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const REPORT = new URL('../bench/REPORT.md', import.meta.url)
const PAGE = new URL('../docs/comparison.md', import.meta.url)
const TABLE = /(<!-- made by npm run bench -- side-by-side -->\n\n).*?(\n\n<!-- end -->)/s
const SHORT = /(<!-- in short -->\n\n).*?(\n\n<!-- end -->)/s

/** What of which scenario is shown, and what is needed of it. */
const COLUMNS = [
  { head: 'answered, of 100', scenario: '100 at once, it cannot be seen', count: 'answered', needed: 100 },
  {
    head: 'refreshes, where a 401 comes late',
    scenario: 'a 401 that comes after the refresh',
    count: 'refreshes',
    needed: 1,
  },
  {
    head: 'hung, of 20, where it is refused',
    scenario: '20 requests, the refresh is refused',
    count: 'hung',
    needed: 0,
  },
  {
    head: 'answered, of 20, where it fails once',
    scenario: '20 requests, the refresh fails once',
    count: 'answered',
    needed: 20,
  },
  {
    head: 'hung, of 20, where it hangs',
    scenario: '20 requests, the refresh hangs',
    count: 'hung',
    needed: 0,
  },
  {
    head: 'POSTs executed twice, of 20',
    scenario: '20 POSTs are executed, and not yet answered',
    count: 'executed twice',
    needed: 0,
  },
  {
    head: 'requests, where 1 of 2 callers leaves',
    scenario: 'a caller leaves during the refresh',
    count: 'requests',
    needed: 2,
  },
  {
    head: 'refreshes, where an endpoint always says 401',
    scenario: 'an endpoint that always answers 401',
    count: 'refreshes',
    needed: 1,
  },
  {
    head: 'token sent to a foreign origin',
    scenario: 'a request to another origin',
    count: 'token leaked',
    needed: 0,
  },
]

/** The tables of the report: a scenario's rows by name, and their numbers by column. */
export function readReport(report) {
  const scenarios = new Map()
  for (const [, title, head, body] of report.matchAll(/^## (.+)\n\n\| \| (.+) \|\n\|-.*\n((?:\|.*\n)+)/gm)) {
    const columns = head.split(' | ')
    const rows = body
      .trim()
      .split('\n')
      .map((line) => line.slice(2, -2).split(' | '))
    const named = rows.map(([name, ...cells]) => [
      name.replaceAll('*', ''),
      Object.fromEntries(columns.map((column, index) => [column, cells[index]])),
    ])
    scenarios.set(title, new Map(named))
  }
  return scenarios
}

/** Whoever refreshes at all has a row; what is not as it should be is bold. */
export function comparisonOf(report) {
  const scenarios = readReport(report)
  const names = [...scenarios.get(COLUMNS[0].scenario).keys()]
  const libraries = names.filter((name) => !/alone$|^what is needed$/.test(name))
  const rows = libraries.map((name) => {
    const cells = COLUMNS.map(({ scenario, count, needed }) => {
      const value = scenarios.get(scenario).get(name)[count]
      return Number(value) === needed ? value : `**${value}**`
    })
    return `| ${name} | ${cells.join(' | ')} |`
  })
  return [
    `| | ${COLUMNS.map(({ head }) => head).join(' | ')} |`,
    `|---|${COLUMNS.map(() => '---:|').join('')}`,
    `| *what is needed* | ${COLUMNS.map(({ needed }) => needed).join(' | ')} |`,
    ...rows,
  ].join('\n')
}

/** What is measured beside the scenarios, as the report sums it up. */
export function shortOf(report) {
  const table = /^## In short\n\n((?:\|.*\n)+)/m.exec(report)?.[1].trim()
  return table ?? 'They are in the report as soon as the command has made it anew.'
}

/** Writes the tables anew. */
export function writeComparison() {
  const report = readFileSync(REPORT, 'utf8')
  const tables = [
    [TABLE, comparisonOf(report)],
    [SHORT, shortOf(report)],
  ]
  let page = readFileSync(PAGE, 'utf8')
  for (const [place, table] of tables)
    page = page.replace(place, (_, before, after) => before + table + after)
  writeFileSync(PAGE, page)
}

if (argv[1] === fileURLToPath(import.meta.url)) writeComparison()
