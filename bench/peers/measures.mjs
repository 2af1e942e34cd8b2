/**
 * What is measured beside the scenarios: a storm against what this machine can do, the soft window at work, and growth.
 * Each makes a section of the report, and rows for its summary.
 */
import { totalmem } from 'node:os'
import { chart } from './chart.mjs'
import { inProcess, median } from './contestant.mjs'
import { GROWTH, STEADY, STORM } from './options.mjs'

const MOST = { storm: 1.05, window: 1.1 }
/** Bytes of a held request with all that its caller holds, with room to spare. */
const ROOM = 8_000

/** `| cell | cell |`, below a head whose first column is text. */
function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(['', ...head]), `|---|${head.map(() => '---:|').join('')}`, ...rows.map(line), '']
}

const named = ({ name, ours }) => (ours ? `**${name}**` : name)
const ms = (value) => (Number.isNaN(value) ? '–' : value.toFixed(0))

export async function measureStorms(contestants) {
  console.log('\nstorms against the optimum')
  const rows = []
  const short = []
  for (const { file, name } of contestants.filter(({ ours }) => ours)) {
    const bare = name.endsWith('fetch') ? 'bare-fetch.mjs' : 'bare-axios.mjs'
    const { good, first, refresh, visible, invisible } = await inProcess('storms.mjs', [file, bare])
    // Of each round, so that both have met the same machine.
    const against = (times, ...parts) =>
      median(times.map((time, round) => time / parts.reduce((sum, part) => sum + part[round], 0)))
    const ratios = [against(visible, refresh, good), against(invisible, first, refresh, good)]
    // Who knows no tokens sees no expiry.
    const sees = !name.includes('/')
    const cells = [good, first, refresh, visible, invisible].map((times) => ms(median(times)))
    const [seen, unseen] = ratios.map((ratio) => ratio.toFixed(2))
    rows.push([`**${name}**`, ...cells, sees ? seen : '–', unseen])
    if (sees)
      short.push([
        `storm, the expiry can be seen: last answer to the optimum, ${name}`,
        seen,
        `≤ ${MOST.storm}`,
      ])
    short.push([`storm, it cannot be seen: last answer to the optimum, ${name}`, unseen, `≤ ${MOST.storm}`])
    console.log(`  ${name.padEnd(36)} ${sees ? seen : '   –'} ${unseen}`)
  }
  return {
    short,
    lines: [
      '## Storms against what this machine can do',
      '',
      `${STORM.requests} requests at once; medians of ${STORM.rounds} rounds, in milliseconds. The optimum is that of the bare client: a storm`,
      'with a good token, after the refresh, and where the expiry cannot be seen, after the first 401. Ratios are the medians of',
      'the ratios within a round.',
      '',
      ...table(
        [
          'bare storm',
          'first 401',
          'refresh',
          'seen',
          'not seen',
          'seen, to the optimum',
          'not seen, to the optimum',
        ],
        rows,
      ),
    ],
  }
}

export async function measureWindow(contestants) {
  console.log('\nthe soft window at work')
  const rows = []
  const short = []
  for (const contestant of contestants.filter(({ name }) => !name.endsWith('alone'))) {
    const { file, name, ours } = contestant
    const [expiring, never] = await Promise.all(
      ['expiring', 'never'].map((kind) => inProcess('steady.mjs', [file, kind])),
    )
    const late = median(never.times) + STEADY.latency.refresh * 0.75
    const [waited, noise] = [expiring, never].map(({ times }) => times.filter((time) => time > late).length)
    const share = (times, part) =>
      times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? Number.NaN
    const ratio = share(expiring.times, 0.99) / share(never.times, 0.99)
    const cells = [expiring, never].map(({ times }) =>
      [0.5, 0.99, 1 - 1e-9].map((part) => ms(share(times, part))),
    )
    rows.push([
      named(contestant),
      `${waited} of ${expiring.times.length}`,
      noise,
      expiring.failed + expiring.hung,
      ...cells[0],
      ...cells[1],
      ratio.toFixed(2),
    ])
    if (ours && !name.includes('/')) {
      short.push(
        [
          `soft window: requests that waited (as many without an expiry), ${name}`,
          `${waited} (${noise}) of ${expiring.times.length}`,
          '0',
        ],
        [`soft window: p99 to that without an expiry, ${name}`, ratio.toFixed(2), `≤ ${MOST.window}`],
      )
    }
    console.log(`  ${name.padEnd(36)} waited ${waited} of ${expiring.times.length}, p99 ${ratio.toFixed(2)}`)
  }
  const { latency, lifetime, every, length } = STEADY
  return {
    short,
    lines: [
      '## The soft window at work',
      '',
      `A request every ${every} ms for ${length / 1000} s, over tokens of ${lifetime / 1000} s; an API request takes ${latency.api} ms, a refresh ${latency.refresh} ms. At the same`,
      'time, in another process, the same with a token that does not expire. "Waited": longer than its median by three quarters',
      'of a refresh. axios-jwt takes a token for expired in its last ten seconds, so that with these it always refreshes; the',
      'drop-ins, as what they stand in for, know no tokens.',
      '',
      ...table(
        [
          'waited',
          'as long without expiry',
          'failed or hung',
          'p50',
          'p99',
          'max',
          'p50 without expiry',
          'p99',
          'max',
          'p99 to p99',
        ],
        rows,
      ),
    ],
  }
}

/** @param plot where the drawing goes */
export async function measureGrowth(plot) {
  console.log('\ngrowth')
  const kinds = ['axios', 'fetch'].flatMap((client) =>
    ['bare', 'ours'].map((contestant) => ({ client, contestant })),
  )
  const counts = GROWTH.filter((count) => totalmem() > 2.5 * count * ROOM)
  const results = kinds.map(() => [])
  for (const count of counts) {
    const room = Math.ceil((count * ROOM) / 2 ** 20) + 512
    for (const client of ['axios', 'fetch']) {
      // The two at the same time, so that both meet the same machine.
      await Promise.all(
        kinds.map(async (kind, index) => {
          if (kind.client !== client) return
          const flags = ['--expose-gc', `--max-old-space-size=${room}`]
          results[index].push(await inProcess('growth.mjs', [client, kind.contestant, count], flags))
        }),
      )
    }
    console.log(`  ${count}`)
  }
  const labels = { bare: (client) => `${client} alone`, ours: (client) => `refresh-once, ${client}` }
  const labelled = kinds.map(({ client, contestant }) => labels[contestant](client))
  const lines = (column, scale) =>
    kinds.map(({ client, contestant }, index) => ({
      name: labelled[index],
      dashed: contestant === 'bare',
      colour: client === 'axios' ? '#1f5fa8' : '#b5541c',
      points: results[index].map((result, at) => [counts[at], result[column] * scale]),
    }))
  plot(
    chart([
      { title: 'Time of a request in a storm', unit: 'µs', lines: lines('time', 1) },
      { title: 'Memory while it waits', unit: 'bytes', lines: lines('memory', 1) },
    ]),
  )
  const rows = kinds.flatMap((_, index) => [
    [`${labelled[index]}: µs`, ...results[index].map(({ time }) => time.toFixed(1))],
    [`${labelled[index]}: bytes`, ...results[index].map(({ memory }) => memory.toFixed(0))],
  ])
  const short = ['axios', 'fetch'].map((client) => {
    const own = results[kinds.findIndex((kind) => kind.client === client && kind.contestant === 'ours')]
    const told = [own[1], own.at(-1)].map(({ memory }) => memory.toFixed(0))
    return [
      `bytes of a request that waits, of ${counts[1].toLocaleString('en')} and of ${counts.at(-1).toLocaleString('en')}, ${client}`,
      told.join(', '),
      'flat',
    ]
  })
  return {
    short,
    lines: [
      '## Growth',
      '',
      'So many requests at once wait for one refresh, without a network; processor time from the call to the answer, and memory',
      'in use while all of them wait, for each. The collector has more to look through where there are more, for the bare client',
      'as for ours.',
      '',
      '![Time and memory of a request, by their number](growth.svg)',
      '',
      ...table(
        counts.map((count) => count.toLocaleString('en')),
        rows,
      ),
    ],
  }
}
