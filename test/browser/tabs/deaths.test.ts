import type { ReuseEntry } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import type { Engine } from './engine.ts'
import type { Note } from './member.ts'
import { inEachEngine, raiseStage, type StagedTab } from './stage.ts'

/** `npm run soak` asks for more. */
const { SOAK_ROUNDS = '10', SOAK_SEED = '20261126' } = process.env
const TABS = 4
const WAVES = 2

/** Milliseconds. */
const LEASE = 3_000
const DEADLINE = 8_000
/** That a busy machine may take besides. */
const PATIENCE = 20_000

interface Death {
  readonly member: string
  readonly at: number
}

interface Round {
  readonly deaths: number
  readonly refreshes: number
  readonly reuses: readonly string[]
  readonly unexplained: readonly string[]
  /** How the tabs that are left stand at its end. */
  readonly states: readonly string[]
  readonly story: string
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Some rounds in each engine; Chromium is the quickest. */
function roundsIn({ name }: Engine): number {
  return Math.ceil(Number(SOAK_ROUNDS) / (name === 'Chromium' ? 1 : 4))
}

/** Tabs want new tokens, all at once, and one of them dies at some moment of it; twice. */
async function play(engine: Engine, grace: number, random: () => number): Promise<Round> {
  const { site, server, openAll, end } = await raiseStage(engine, { grace })
  const deaths: Death[] = []
  let all: readonly StagedTab[] = []
  /** What happened, for whoever has to find out why. */
  const story = (): string =>
    [
      ...[...server.log, ...site.journal, ...deaths]
        .sort((a, b) => a.at - b.at)
        .map((entry) => JSON.stringify(entry)),
      ...all.map(({ id, events }) => `${id}: ${JSON.stringify(events)}`),
    ].join('\n')
  try {
    const persist = random() < 0.5 ? 'memory' : 'disk'
    const session = { lease: LEASE, deadline: DEADLINE }
    all = await openAll(TABS, { persist, lease: LEASE, session, journal: true })
    let tabs = all
    await tabs[0]?.call('signIn', server.mint('alice'))
    for (const tab of tabs) await tab.call('accessToken')
    for (let wave = 0; wave < WAVES; wave++) {
      server.expireAccessTokens()
      const answers = server.hold('/token')
      const victim = tabs[Math.floor(random() * tabs.length)]
      if (!victim) throw new Error('no tab is left')
      tabs = tabs.filter((tab) => tab !== victim)
      // Whoever comes first will have the turn: mostly the one that dies.
      const head = random() < 0.7 ? random() * 40 : 0
      victim.call('request', 2).catch(() => {})
      await after(head, async () => {})
      const settled = tabs.map((tab) => tab.call('request', 2))
      // In any order: the refresh comes, the tab dies, the answer goes.
      const dies = after(random() * 80, async () => {
        deaths.push({ member: victim.id, at: Date.now() })
        await victim[random() < 0.5 ? 'kill' : 'close']()
      })
      const answered = after(random() * 80, async () => answers.release())
      await Promise.all([dies, answered])
      await within(DEADLINE + LEASE + PATIENCE, Promise.all(settled))
    }
    await within(DEADLINE + LEASE + PATIENCE, Promise.all(tabs.map((tab) => tab.call('request', 1))))
    const states = await Promise.all(tabs.map((tab) => tab.call('state')))
    const reuses = server.log.filter((entry): entry is ReuseEntry => entry.kind === 'reuse')
    return {
      deaths: deaths.length,
      refreshes: server.count.refreshes,
      reuses: reuses.map(({ explanation }) => explanation),
      unexplained: reuses
        .filter((reuse) => !isExplained(reuse, site.journal, deaths))
        .map(({ explanation }) => explanation),
      states: states.map(({ status }) => status),
      story: story(),
    }
  } catch (cause) {
    throw new Error(`${cause}\n${story()}`, { cause })
  } finally {
    await end()
  }
}

/** What no client can repair: a tab had sent the token, and died before it had saved what came of it. */
function isExplained({ token }: ReuseEntry, journal: readonly Note[], deaths: readonly Death[]): boolean {
  const sent = journal.filter((note) => note.what === 'sent' && note.token === token)
  return sent.some(({ member, at }) => {
    const saved = journal.some((note) => note.what === 'saved' && note.member === member && note.at >= at)
    return !saved && deaths.some((death) => death.member === member)
  })
}

function after(ms: number, work: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    setTimeout(() => void work().then(resolve, reject), ms)
  })
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not settled within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

inEachEngine('tabs are killed and closed at random while they refresh', (_, engine) => {
  for (const { name, grace } of [
    { name: 'every request settles, and every reuse is explained', grace: 0 },
    { name: 'with the grace of a usual server nobody is signed out', grace: 10_000 },
  ]) {
    test(name, { timeout: 3_600_000 }, async () => {
      const count = roundsIn(engine())
      const sum = { rounds: 0, deaths: 0, refreshes: 0, reuses: 0, ended: 0 }
      for (let index = 0; index < count; index++) {
        const seed = Number(SOAK_SEED) + index
        const round = await play(engine(), grace, randomOf(seed)).catch((cause) => {
          throw new Error(`seed ${seed}: ${cause.message}`, { cause })
        })
        const { deaths, refreshes, reuses, unexplained, states, story } = round
        expect(unexplained, `seed ${seed}\n${story}`).toEqual([])
        if (grace > 0 || reuses.length === 0)
          expect(states, `seed ${seed}\n${story}`).toEqual(Array(TABS - WAVES).fill('signed-in'))
        sum.rounds++
        sum.deaths += deaths
        sum.refreshes += refreshes
        sum.reuses += reuses.length
        sum.ended += Number(states.includes('signed-out'))
      }
      console.log(
        `${engine().name}, grace ${grace}: ${JSON.stringify(sum)}, all settled, all reuses explained`,
      )
    })
  }
})
