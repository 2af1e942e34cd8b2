/**
 * refresh-once beside what people use today: one real server over HTTP, the same scenarios, an adapter for each library
 * as its documentation shows it (bench/peers/contestants). Writes
 * bench/REPORT.md, and the table of docs/comparison.md.
 *
 * `npm run bench -- side-by-side`
 */
import { execFileSync, fork } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { writeComparison } from '../scripts/comparison.mjs'
import { LATENCY, scenarios } from './peers/scenarios.mjs'

const here = fileURLToPath(new URL('peers/', import.meta.url))
/** How far two runs of the same are apart. */
const NOISE = 1.15
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

if (!existsSync(`${here}node_modules`)) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' })
}
const files = readdirSync(`${here}contestants`).filter((file) => file.endsWith('.mjs'))
const contestants = await Promise.all(
  files.map(async (file) => ({ file, ...(await import(`./peers/contestants/${file}`)) })),
)
contestants.sort((a, b) => Number(Boolean(a.ours)) - Number(Boolean(b.ours)) || a.name.localeCompare(b.name))

const results = []
for (const [title, scenario] of Object.entries(scenarios)) {
  console.log(`\n${title}${scenario.optimum ? ` (optimum ${scenario.optimum} ms)` : ''}`)
  console.log(`  ${''.padEnd(36)}${NAMES.map((name) => name.padStart(name.length + 3)).join('')}`)
  for (const contestant of contestants) {
    const result = await play(contestant.file, title)
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
const report = { node: process.version, latency: LATENCY, versions, results }
writeFileSync(new URL('REPORT.md', import.meta.url), written(report))
writeComparison()
if (behind(results).length > 0) process.exitCode = 1

function play(file, title) {
  return new Promise((resolve, reject) => {
    const child = fork(`${here}play.mjs`, [file, title], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    let result
    child.on('message', (message) => {
      result = message
    })
    child.on('exit', (code) => (result ? resolve(result) : reject(new Error(`${file}, ${title}: ${code}`))))
  })
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
        tell(column, (peer) => peer[column] < mine[column])
      }
      tell('last', ({ last }) => last * NOISE < mine.last)
    }
  }
  return found
}

function written({ node, latency, versions, results }) {
  const lines = [
    '# Side by side',
    '',
    'Made by `npm run bench -- side-by-side`; the numbers are of one run.',
    '',
    `Node ${node}. An API request takes ${latency.api} ms, a refresh ${latency.refresh} ms. The server rotates refresh tokens,`,
    'and ends the session when one comes twice. "Last answer" is in milliseconds; the optimum is worked out from the latencies.',
    '"Token leaked": to an origin that is not the API.',
    '',
    ...Object.entries(versions).map(([name, version]) => `- ${name} ${version}`),
    '',
  ]
  for (const [title, { optimum, refreshes, requests }] of Object.entries(scenarios)) {
    lines.push(`## ${title}`, '')
    lines.push(`| | ${NAMES.join(' | ')} |`, `|---|${NAMES.map(() => '---:|').join('')}`)
    const needed = [refreshes, requests, undefined, undefined, 0, 0, 0, optimum]
    lines.push(`| *what is needed* | ${needed.map((value) => value ?? '').join(' | ')} |`)
    for (const row of results.filter((result) => result.title === title)) {
      const name = row.ours ? `**${row.name}**` : row.name
      lines.push(`| ${name} | ${COLUMNS.map((column) => row[column] ?? '–').join(' | ')} |`)
    }
    lines.push('')
  }
  const worse = behind(results)
  lines.push('## Where somebody else is ahead', '')
  lines.push(
    'The two drop-ins know no tokens, as what they stand in for: they learn of an expiry from the 401. After a late 401',
    'axios-refresh-me has sent the request again already, and whatever else was in flight, executed or not.',
    '',
  )
  lines.push(
    ...(worse.length > 0
      ? worse.map(({ title, column, name, by }) => `- ${title}: ${column} of ${name}; ${by.join(', ')}`)
      : ['Nowhere.']),
    '',
  )
  return lines.join('\n')
}
