/**
 * refresh-once beside what people use today: one real server over HTTP, the same scenarios, an adapter for each library
 * as its documentation shows it (bench/peers/contestants); and a storm against what this machine can do, the soft window
 * at work, and growth. Writes bench/REPORT.md and bench/growth.svg, and the tables of docs/comparison.md.
 *
 * `npm run bench -- side-by-side`
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { writeComparison } from '../scripts/comparison.mjs'
import { inProcess } from './peers/contestant.mjs'
import { measureGrowth, measureStorms, measureWindow } from './peers/measures.mjs'
import { RUNS } from './peers/options.mjs'
import { LATENCY, scenarios } from './peers/scenarios.mjs'

const here = fileURLToPath(new URL('peers/', import.meta.url))
/** By which two that are alike may differ: of one run, and beyond the spread of several. */
const NOISE = { once: 1.15, spread: 1.05 }
const COLUMNS = ['refreshes', 'requests', 'answered', 'failed', 'hung', 'twice', 'leaks', 'last']
const NAMES = [
  'refreshes',
  'requests',
  'answered',
  'failed',
  'hung',
  'executed twice',
  'token leaked',
  'last answer',
]

const COLD = [
  'The drop-in for axios-refresh-me cancels what is in flight when the refresh starts, as promised there, and makes a hundred',
  'connections anew, in a process that is cold. Once it is warm its storm takes 1.04 times what this machine can do (above).',
]

/** Why somebody else is ahead there, of which of ours. */
const REASONS = [
  {
    title: '100 at once, the expiry can be seen',
    name: /axios-(auth-refresh|refresh-me)/,
    why: [
      'The drop-ins know no tokens, as what they stand in for: they learn of an expiry from the 401, so that each request is',
      'sent twice. A session of `createSession` sees it.',
    ],
  },
  { title: '100 at once, the expiry can be seen', name: /axios-refresh-me/, why: COLD },
  { title: '100 at once, it cannot be seen', name: /axios-refresh-me/, why: COLD },
  {
    title: 'a quick request, behind six busy connections',
    name: /, fetch/,
    why: [
      'The refresh waits for one of the six connections here, too; with axios each has six. What is slow is taken off the',
      'wire once the refresh has been unanswered for 250 ms (`recallAfter`), and not at once: most APIs refuse at once, and',
      'a storm would make its connections anew for nothing, as that of the drop-in for axios-refresh-me does.',
    ],
  },
]

if (!existsSync(`${here}node_modules`)) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' })
}
const files = readdirSync(`${here}contestants`).filter((file) => file.endsWith('.mjs'))
const contestants = await Promise.all(
  files.map(async (file) => ({ file, ...(await import(`./peers/contestants/${file}`)) })),
)
contestants.sort((a, b) => Number(Boolean(a.ours)) - Number(Boolean(b.ours)) || a.name.localeCompare(b.name))

/** How busy the machine is with other work: then its times tell little. */
const load = loadavg()[0].toFixed(1)
const results = []
for (const [title, scenario] of Object.entries(scenarios)) {
  console.log(`\n${title}${scenario.optimum ? ` (optimum ${scenario.optimum} ms)` : ''}`)
  console.log(`  ${''.padEnd(36)}${NAMES.map((name) => name.padStart(name.length + 3)).join('')}`)
  for (const contestant of contestants) {
    const result = await play(contestant.file, title, scenario.optimum ? RUNS : 1)
    results.push({ title, name: contestant.name, ours: Boolean(contestant.ours), ...result })
    const cells = COLUMNS.map((column, index) =>
      String(result[column] ?? '–').padStart(NAMES[index].length + 3),
    )
    console.log(`  ${contestant.name.padEnd(36)}${cells.join('')}`)
  }
}

const versions = Object.fromEntries(
  [...new Set(contestants.flatMap(({ packages }) => packages))].map((name) => [name, versionOf(name)]),
)
const measures = [
  await measureStorms(contestants),
  await measureWindow(contestants),
  await measureGrowth((svg) => writeFileSync(new URL('growth.svg', import.meta.url), svg)),
]
const report = { node: process.version, latency: LATENCY, versions, results, measures }
writeFileSync(new URL('REPORT.md', import.meta.url), written(report))
writeComparison()
if (behind(results).length > 0) process.exitCode = 1

/** The run whose last answer came neither first nor last, and when those came that did. */
async function play(file, title, runs) {
  const results = []
  for (let run = 0; run < runs; run++) results.push(await inProcess('play.mjs', [file, title]))
  results.sort((one, other) => one.last - other.last)
  const [least, most] = [results[0].last, results.at(-1).last]
  return { ...results[Math.floor(runs / 2)], runs, least, most }
}

/** When the last answer came, with the spread where there were several runs. */
function lastOf({ runs, last, least, most }) {
  if (last === undefined) return '–'
  return runs > 1 ? `${last} (${least}–${most})` : String(last)
}

function versionOf(name) {
  for (const folder of [here, fileURLToPath(new URL('../', import.meta.url))]) {
    const path = `${folder}node_modules/${name}/package.json`
    if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')).version
  }
  return undefined
}

/** Where somebody else who refreshes does better than ours do. */
function behind(results) {
  const found = []
  for (const title of Object.keys(scenarios)) {
    const rows = results.filter((result) => result.title === title)
    const most = Math.max(...rows.map(({ answered }) => answered))
    const peers = rows.filter(({ ours, refreshes, answered, hung }) => {
      return !ours && refreshes > 0 && answered === most && hung === 0
    })
    for (const mine of rows.filter(({ ours }) => ours)) {
      const tell = (column, isBetter) => {
        const by = peers.filter(isBetter).map(({ name }) => name)
        if (by.length > 0) found.push({ title, column, name: mine.name, by })
      }
      for (const column of ['failed', 'hung', 'twice', 'leaks', 'refreshes', 'requests']) {
        // How many requests there are tells nothing where some are still on their way.
        if (column === 'requests' && scenarios[title].requests === undefined) continue
        tell(column, (peer) => peer[column] < mine[column])
      }
      tell('last', ({ most }) => most * (mine.runs > 1 ? NOISE.spread : NOISE.once) < mine.least)
    }
  }
  return found
}

function explained(worse) {
  if (worse.length === 0) return []
  const lines = worse.map(({ column, name, by }) => `- Ahead in ${column} of ${name}: ${by.join(', ')}`)
  const reasons = REASONS.filter((one) =>
    worse.some(({ title, name }) => one.title === title && one.name.test(name)),
  )
  const unexplained = worse.some(
    (one) => !reasons.some(({ title, name }) => title === one.title && name.test(one.name)),
  )
  return [
    ...lines,
    '',
    ...reasons.flatMap(({ why }) => [...why, '']),
    ...(unexplained ? ['**Not explained.**', ''] : []),
  ]
}

function written({ node, latency, versions, results, measures }) {
  const lines = [
    '# Side by side',
    '',
    `Made by \`npm run bench -- side-by-side\` on ${cpus().length} × ${cpus()[0].model}, with a load of ${load} before it began. Where there is an optimum,`,
    `the last answer is the middle one of ${RUNS} runs, with their spread; everything else is of one run.`,
    '',
    `Node ${node}. An API request takes ${latency.api} ms, a refresh ${latency.refresh} ms. The server rotates refresh tokens,`,
    'and ends the session when one comes twice. "Last answer" is in milliseconds; the optimum is worked out from the latencies.',
    '"Token leaked": to an origin that is not the API.',
    '',
    ...Object.entries(versions).map(([name, version]) => `- ${name} ${version}`),
    '',
  ]
  lines.push('## In short', '', '| | measured | wanted |', '|---|---:|---:|')
  for (const { short } of measures) for (const cells of short) lines.push(`| ${cells.join(' | ')} |`)
  lines.push('', ...measures.flatMap((measure) => measure.lines))
  const worse = behind(results)
  for (const [title, { optimum, refreshes, requests }] of Object.entries(scenarios)) {
    lines.push(`## ${title}`, '')
    lines.push(`| | ${NAMES.join(' | ')} |`, `|---|${NAMES.map(() => '---:|').join('')}`)
    const needed = [refreshes, requests, undefined, undefined, 0, 0, 0, optimum]
    lines.push(`| *what is needed* | ${needed.map((value) => value ?? '').join(' | ')} |`)
    for (const row of results.filter((result) => result.title === title)) {
      const name = row.ours ? `**${row.name}**` : row.name
      const cells = COLUMNS.map((column) => (column === 'last' ? lastOf(row) : (row[column] ?? '–')))
      lines.push(`| ${name} | ${cells.join(' | ')} |`)
    }
    lines.push('', ...explained(worse.filter((one) => one.title === title)))
  }
  lines.push('## Where somebody else is ahead', '')
  const told = worse.map(({ title, column, name }) => `- ${title}: ${column} of ${name}`)
  lines.push(...(told.length > 0 ? ['Each is explained beside its table.', '', ...told] : ['Nowhere.']), '')
  return lines.join('\n')
}
