/** From events to lanes: no page, no clock. */

import { logTo, type SessionEvent } from 'refresh-once'
import { createTimeline, formatEvents, type Timeline } from 'refresh-once/devtools'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { explainLane, explainRefresh, explainWindow } from '../../src/devtools/explain.ts'
import { signIn, startServer } from '../setup.ts'
import { at, request, storyOf } from './events.ts'

function timelineOf(events: Iterable<unknown>, source = 'tab'): Timeline {
  const timeline = createTimeline()
  for (const event of events) timeline.add(source, event)
  return timeline
}

const STORY = storyOf(
  [0, { type: 'request-sent', request: request(1) }, { expiresAt: at(-2_000) }],
  [5, { type: 'request-sent', request: request(2) }],
  [100, { type: 'request-rejected', request: request(1), status: 401, challenge: 'Bearer' }],
  [101, { type: 'refresh-started', reason: 'rejected' }, { refreshing: true }],
  [110, { type: 'request-held', request: request(3) }],
  [150, { type: 'request-recalled', request: request(2) }],
  [300, { type: 'refresh-succeeded' }, { refreshing: false, generation: 2, expiresAt: at(100_300) }],
  [301, { type: 'request-replayed', request: request(1, 2) }],
  [302, { type: 'request-replayed', request: request(2, 2) }],
  [303, { type: 'request-sent', request: request(3, 2) }],
  [400, { type: 'request-settled', request: request(1, 2), ok: true, status: 200 }],
  [410, { type: 'request-settled', request: request(2, 2), ok: true, status: 200 }],
  [420, { type: 'request-settled', request: request(3, 2), ok: false, status: 0, code: 'session_closed' }],
)

describe('lanes', () => {
  const { lanes, refreshes, windows, span } = timelineOf(STORY)

  test('a request that is refused waits for the refresh that it led to, and is sent again', () => {
    expect(lanes[0]).toMatchObject({ id: 1, from: at(0), to: at(400), result: 'done', status: 200 })
    expect(lanes[0]?.stretches).toMatchObject([
      { kind: 'sent', from: at(0), to: at(100), end: 'refused' },
      { kind: 'held', from: at(100), to: at(301), refresh: { number: 1 } },
      { kind: 'replay', from: at(301), to: at(400), end: undefined },
    ])
  })

  test('one that was on its way is called back, and one that comes meanwhile is held', () => {
    expect(lanes[1]?.stretches.map(({ kind, end }) => [kind, end])).toEqual([
      ['sent', 'recalled'],
      ['held', undefined],
      ['replay', undefined],
    ])
    expect(lanes[2]?.stretches.map(({ kind }) => kind)).toEqual(['held', 'sent'])
    expect(lanes[2]).toMatchObject({ result: 'failed', status: 0 })
  })

  test('the refresh is a lane of its own, with those who waited for it', () => {
    expect(refreshes).toMatchObject([{ from: at(101), to: at(300), result: 'succeeded', waited: 3 }])
    expect(span).toEqual({ from: at(0), to: at(420) })
  })

  test('token sets have their windows, and the moment when they were refused', () => {
    expect(windows).toMatchObject([
      { generation: 1, to: at(300), refusedAt: at(100) },
      { generation: 2, from: at(300), to: undefined, softAt: at(80_300), hardAt: at(95_300) },
    ])
  })

  test('what happened and why is told in words', () => {
    expect(lanes.map(explainLane)).toEqual([
      [
        '+0 ms: sent with token set 1',
        '+100 ms: refused with 401 (Bearer); held: refresh 1 was running',
        '+301 ms: sent again with token set 2',
        '+400 ms: answered with 200',
      ],
      [
        '+0 ms: sent with token set 1',
        '+145 ms: called back: refresh 1 was running, and its token would have been refused',
        '+297 ms: sent again with token set 2',
        '+405 ms: answered with 200',
      ],
      [
        '+0 ms: held: the token expired 2.1 s ago; refresh 1 was running',
        '+193 ms: sent with token set 2',
        '+310 ms: failed: no answer; session_closed: the session was closed',
      ],
    ])
    expect(refreshes.map(explainRefresh)).toEqual([
      [
        'refresh 1 began: the API had refused the token',
        '+199 ms: it brought token set 2; 3 requests waited for it',
      ],
    ])
    const [, second] = windows
    if (!second) throw new Error('there is no second token set')
    expect([1_000, 90_300, 96_300, 103_300].map((ms) => explainWindow(second, at(ms)))).toEqual([
      'token set 2: fresh, expires in 99.3 s'.replace('99.3 s', '2 min'),
      'token set 2: expires in 10 s; it is refreshed in the background',
      'token set 2: expires in 4 s; requests wait',
      'token set 2: expired 3 s ago',
    ])
  })
})

test('a 401 that comes late is told as one: no refresh was needed', () => {
  const { lanes } = timelineOf(
    storyOf(
      [0, { type: 'request-sent', request: request(1) }],
      [10, { type: 'updated' }, { generation: 2 }],
      [90, { type: 'request-rejected', request: request(1), status: 401, challenge: '' }],
      [90, { type: 'request-replayed', request: request(1, 2) }],
    ),
  )
  expect(lanes.flatMap(explainLane)[1]).toBe(
    '+90 ms: refused with 401: late, token set 2 had come meanwhile, and no refresh was needed',
  )
  expect(lanes[0]).toMatchObject({ to: undefined, result: 'open' })
})

test.each([
  ['refresh-failed', { code: 'refresh_failed', message: 'HTTP 503', retryAt: at(1_060) }, 'failed'],
  ['refresh-failed', { code: 'session_expired', message: 'invalid_grant' }, 'refused'],
  ['signed-out', { reason: 'signed-out' }, 'ended'],
  ['refresh-adopted', {}, 'adopted'],
  ['signed-in', {}, 'ended'],
] as const)('a refresh ends with %s %j: %s', (type, details, result) => {
  const { refreshes } = timelineOf(
    storyOf(
      [0, { type: 'refresh-started', reason: 'ahead' }, { refreshing: true }],
      [60, { type, ...details }, { refreshing: false }],
    ),
  )
  expect(refreshes).toMatchObject([{ to: at(60), result }])
})

test('sources are apart: the same numbers are other requests, and other refreshes', () => {
  const timeline = createTimeline()
  for (const event of STORY) for (const source of ['one', 'two']) timeline.add(source, event)
  expect(timeline.lanes).toHaveLength(6)
  expect(timeline.refreshes.map(({ source, waited }) => [source, waited])).toEqual([
    ['one', 3],
    ['two', 3],
  ])
  expect(timeline.sources).toEqual(['one', 'two'])
})

test('whoever looks from the middle on sees the rest', () => {
  const { lanes, refreshes } = timelineOf(STORY.slice(6))
  expect(lanes.map(({ stretches }) => stretches.map(({ kind }) => kind))).toEqual([
    ['replay'],
    ['replay'],
    ['sent'],
  ])
  expect(refreshes).toEqual([])
})

test('it keeps so many requests and no more, whatever comes', () => {
  const timeline = createTimeline({ limit: 100 })
  for (let id = 1; id <= 5_000; id++) {
    const about = request(id)
    for (const event of storyOf(
      [id, { type: 'refresh-started', reason: 'forced' }, { refreshing: true }],
      [id, { type: 'request-held', request: about }],
      [id, { type: 'refresh-succeeded' }, { refreshing: false, generation: id }],
    ))
      timeline.add('tab', event)
  }
  for (let again = 0; again < 1_000; again++)
    for (const event of storyOf([6_000, { type: 'request-replayed', request: request(5_000) }]))
      timeline.add('tab', event)
  expect(timeline.lanes.length).toBeLessThanOrEqual(110)
  expect(timeline.refreshes.length).toBeLessThanOrEqual(110)
  expect(timeline.windows.length).toBeLessThanOrEqual(110)
  expect(timeline.lanes.at(-1)).toMatchObject({ id: 5_000 })
  expect(timeline.entries().length).toBeLessThanOrEqual(1_000)
  expect(() => createTimeline({ limit: 0 })).toThrow(/limit: expected a number of at least 1, got 0/)
})

test('what is cleared is gone, and the token set is still that of before', () => {
  const timeline = timelineOf(STORY)
  timeline.clear()
  expect(timeline).toMatchObject({ lanes: [], refreshes: [], span: undefined, windows: [{ generation: 2 }] })
  expect(timeline.entries()).toEqual([])
})

describe('the text form', () => {
  test('has a line for each event, in the words of the log, and the time since the first', async () => {
    const server = await startServer()
    const session = signIn(server)
    const events: SessionEvent[] = []
    const lines: string[] = []
    session.observe((event) => events.push(event))
    session.observe(logTo({ info: (line) => lines.push(line), warn: (line) => lines.push(line) }))
    server.expireAccessTokens()
    await withSession(session, { origins: [server.url] })(`${server.url}/api/items?secret=1`)
    expect(formatEvents(events, { times: false }).split('\n')).toEqual(
      lines.map((line) => line.replace('refresh-once: ', '')),
    )
    expect(formatEvents(events)).toMatch(/^ +0 ms {2}request-sent #1 GET http:\S+\/api\/items\n/)
    const { lanes, refreshes } = timelineOf(events)
    expect(lanes).toMatchObject([{ result: 'done', status: 200 }])
    expect(lanes[0]?.stretches.map(({ kind }) => kind)).toEqual(['sent', 'held', 'replay'])
    expect(refreshes).toMatchObject([{ result: 'succeeded', waited: 1 }])
  })

  test('names the tab or the process where there are several', () => {
    const entries = ['one', 'other'].flatMap((source) =>
      STORY.slice(0, 1).map((event) => ({ source, event })),
    )
    expect(formatEvents(entries)).toBe(
      '0 ms  one    request-sent #1 GET https://api.test/items/1\n0 ms  other  request-sent #1 GET https://api.test/items/1',
    )
    expect(formatEvents([])).toBe('')
  })
})
