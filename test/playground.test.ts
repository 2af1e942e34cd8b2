import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

interface Numbers {
  asked: number
  answered: number
  failed: number
  refreshes: number
  wire: number
  twice: number
  signedIn: boolean
  signedOut: string | null
}

interface Log {
  run(size: number): number
  runEnded(first: number, size: number): void
  request(call: number): (status: number) => void
  refresh(): (status: number) => void
  effect(id: number): void
  signedIn(): void
  signedOut(reason: string): void
  clear(): void
  numbers(): Numbers
}

interface Stretch {
  kind: string
  from: number
  to: number | undefined
  end: unknown
}

interface Waterfall {
  readTrace(events: object[]): {
    calls: { label: string; outcome: string | undefined; stretches: Stretch[] }[]
    refreshes: { from: number; to: number | undefined; ok: boolean | undefined }[]
  }
  drawLane(events: object[], duration: number, style: object): string[]
}

interface Picture {
  drawPicture(lanes: { way: { title: string }; events: object[]; numbers: object }[]): string
}

/** The playground is plain JavaScript: it has no types of its own. */
function load(file: string): Promise<unknown> {
  return import(new URL(`../playground/${file}`, import.meta.url).href)
}

describe('npm start', () => {
  it('shows an expiry storm three ways, and refresh-once refreshes once, loses nothing and stays signed in', async () => {
    const { code, output, errors, picture } = await runOnce()
    expect(errors).toBe('')
    expect(code).toBe(0)
    const [storm, bumpy] = readTables(output)
    expect(storm?.get('refresh-once')).toMatchObject({
      refreshes: 1,
      wire: 15,
      failed: 0,
      twice: 0,
      signedOut: 'no',
    })
    expect(bumpy?.get('refresh-once')).toMatchObject({ failed: 0, twice: 0, signedOut: 'no' })
    // What becomes of the others is theirs: they print whatever was counted.
    for (const title of ['Every 401 refreshes', 'isRefreshing and a queue']) {
      expect(storm?.get(title)?.refreshes).toBeGreaterThanOrEqual(1)
      expect(bumpy?.get(title)?.refreshes).toBeGreaterThanOrEqual(1)
    }
    // Fifteen calls and a line of refreshes in each of the three pictures.
    expect(output.match(/^(GET|POST) +\w+\/\d+/gm)).toHaveLength(45)
    expect(output.match(/^refresh +\S/gm)).toHaveLength(3)
    expect(output).not.toContain('\u001b')
    // The picture of the README is one of such a run, with one lane more.
    expect(tellsOf(picture)).toHaveLength(4)
    expect(tellsOf(picture).at(-1)).toMatch(/^refresh-once: 1 refresh, 15 requests, 0 failed/)
    expect(tellsOf(picture).at(-1)).toBe(tellsOf(read('docs/waterfall.svg')).at(-1))
  }, 60_000)
})

/** A call that meets a 401, and is sent again after the refresh. */
const STEPS = [
  { type: 'called', at: 0, call: 7, method: 'GET', path: '/items' },
  { type: 'sent', at: 0, call: 7 },
  { type: 'answered', at: 100, call: 7, status: 401 },
  { type: 'refresh-begun', at: 100, refresh: 0 },
  { type: 'refresh-ended', at: 300, refresh: 0, ok: true },
  { type: 'sent', at: 300, call: 7 },
]

describe('the waterfall', () => {
  const trace = [
    ...STEPS,
    { type: 'answered', at: 400, call: 7, status: 200 },
    { type: 'settled', at: 400, call: 7, status: 200, ok: true },
  ]

  it('tells a first send, the wait for a refresh, and the replay apart', async () => {
    const { readTrace } = (await load('waterfall.mjs')) as Waterfall
    const { calls, refreshes } = readTrace(trace)
    expect(calls).toMatchObject([
      {
        label: 'GET items/7',
        outcome: 'done',
        stretches: [
          { kind: 'wire', from: 0, to: 100, end: 401 },
          { kind: 'held', from: 100, to: 300 },
          { kind: 'replay', from: 300, to: 400, end: 200 },
        ],
      },
    ])
    expect(refreshes).toMatchObject([{ from: 100, to: 300, ok: true }])
  })

  it('leaves open what has not ended', async () => {
    const { readTrace } = (await load('waterfall.mjs')) as Waterfall
    const { calls, refreshes } = readTrace(trace.slice(0, 4))
    expect(calls[0]?.outcome).toBeUndefined()
    expect(calls[0]?.stretches.at(-1)).toMatchObject({ kind: 'held', to: undefined })
    expect(refreshes[0]?.to).toBeUndefined()
  })

  it('ignores what belongs to a picture that was cleared', async () => {
    const { readTrace } = (await load('waterfall.mjs')) as Waterfall
    expect(readTrace(trace.slice(1)).calls).toEqual([])
  })

  it('stays within the width, and within ASCII where the terminal has no more', async () => {
    const { drawLane } = (await load('waterfall.mjs')) as Waterfall
    for (const width of [60, 79, 132]) {
      const lines = drawLane(trace, 401, { width, colour: false, unicode: false })
      for (const line of lines) {
        expect(line).toMatch(/^[ -~]*$/)
        expect(line.length).toBeLessThanOrEqual(width)
      }
      expect(lines.at(-1)).toMatch(/^GET items\/7 +-+x\.+=+o +200 +400$/)
    }
  })
})

describe('the picture', () => {
  const numbers = { refreshes: 1, wire: 2, failed: 0, signedOut: null }

  it('shows each stretch of time to scale, a 401 as a cross, and what the servers have counted', async () => {
    const { drawPicture } = (await load('picture.mjs')) as Picture
    const events = [...STEPS, { type: 'settled', at: 847, call: 7, status: 200, ok: true }]
    const svg = drawPicture([{ way: { title: 'refresh-once' }, events, numbers }])
    const pathOf = (kind: string) => new RegExp(`<path class="${kind}" d="(M.*?)"/>\n`).exec(svg)?.[1]
    // A millisecond is as wide as a unit, and the margin is 16.
    expect(pathOf('wire')).toMatch(/^M16 \d+H116$/)
    expect(pathOf('refresh')).toMatch(/^M116 \d+H316$/)
    expect(pathOf('held')).toMatch(/^M116 \d+H316$/)
    expect(pathOf('replay')).toMatch(/^M316 \d+H863$/)
    expect(pathOf('refused')).toMatch(/^M113 \d+l6 6m0-6l-6 6$/)
    expect(pathOf('failed')).toBeUndefined()
    expect(tellsOf(svg)).toEqual(['refresh-once: 1 refresh, 2 requests, 0 failed, signed in'])
  })

  it('is told in the README by the words that are in it', () => {
    const [, alt = ''] = /!\[(.*?)\]\(docs\/waterfall\.svg\)/s.exec(read('README.md')) ?? []
    expect(tellsOf(`<title>${alt.replaceAll('\n', ' ')}</title>`)).toEqual(
      tellsOf(read('docs/waterfall.svg')),
    )
  })
})

describe('the log of the servers', () => {
  async function createLog(): Promise<Log> {
    const { createLog } = (await load('log.mjs')) as { createLog: () => Log }
    return createLog()
  }

  it('counts a call that was announced and never answered as failed, once the run is over', async () => {
    const log = await createLog()
    const first = log.run(3)
    log.request(first)(200)
    log.request(first + 1)(401)
    expect(log.numbers()).toMatchObject({ asked: 3, answered: 1, failed: 0, wire: 2 })
    log.runEnded(first, 3)
    expect(log.numbers()).toMatchObject({ asked: 3, answered: 1, failed: 2, wire: 2 })
  })

  it('counts a side effect that took place twice', async () => {
    const log = await createLog()
    log.effect(1)
    log.effect(2)
    log.effect(2)
    expect(log.numbers().twice).toBe(1)
  })

  it('keeps the first reason why somebody is signed out, until the next sign-in', async () => {
    const log = await createLog()
    log.signedIn()
    log.signedOut('reuse')
    log.signedOut('refused')
    log.clear()
    expect(log.numbers()).toMatchObject({ signedIn: false, signedOut: 'reuse' })
    log.signedIn()
    expect(log.numbers()).toMatchObject({ signedIn: true, signedOut: null })
  })
})

/** `npm start`, which ends by itself after the storm. */
async function runOnce(): Promise<{ code: number | null; output: string; errors: string; picture: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-'))
  const kept = join(folder, 'waterfall.svg')
  const child = spawn(process.execPath, ['scripts/start.mjs', '--picture', kept], {
    cwd: root,
    env: { ...process.env, PLAYGROUND_ONCE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 50_000,
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('close', resolve)
    child.on('error', reject)
  })
  const picture = readFileSync(kept, 'utf8')
  rmSync(folder, { recursive: true })
  return { code, output, errors, picture }
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** What a picture says in words, a sentence for each way. */
function tellsOf(svg: string): string[] {
  const [, text = ''] = /<title>(.*?)<\/title>/s.exec(svg) ?? []
  return text.split(/\. ?/).filter(Boolean)
}

interface Row {
  refreshes: number
  wire: number
  failed: number
  twice: number
  signedOut: string
}

/** The rows of each table, by their first column. */
function readTables(output: string): Map<string, Row>[] {
  const tables: Map<string, Row>[] = []
  const rows = output.matchAll(/^(\S.*?) {2,}(\d+) +(\d+) +(\d+) +(\d+) +(no|yes(?:: \w+)?) +\d+ ms$/gm)
  for (const [, title = '', refreshes, wire, failed, twice, signedOut = ''] of rows) {
    if (tables.length === 0 || tables.at(-1)?.has(title)) tables.push(new Map())
    tables.at(-1)?.set(title, {
      refreshes: Number(refreshes),
      wire: Number(wire),
      failed: Number(failed),
      twice: Number(twice),
      signedOut,
    })
  }
  return tables
}
