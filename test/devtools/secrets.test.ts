/** Events of anybody: in files, from other tabs, of sessions whose server and API write what they like. */
import fc from 'fast-check'
import { createTimeline, formatEvents } from 'refresh-once/devtools'
import { expect, test } from 'vitest'
import { explainLane, explainRefresh } from '../../src/devtools/explain.ts'
import { readTimeline, writeTimeline } from '../../src/devtools/file.ts'
import { request, storyOf } from './events.ts'
import { hostileOf, TOKENS } from './hostile.ts'

test.each(TOKENS)('the token %s is nowhere: not in the lanes, not in the words, not in the file', (token) => {
  const timeline = createTimeline()
  for (const event of hostileOf(token)) timeline.add(`tab ${token}`, event)
  const file = writeTimeline(timeline)
  const { lanes, refreshes } = timeline
  const words = [...lanes.flatMap(explainLane), ...refreshes.flatMap(explainRefresh)].join('\n')
  const texts = [file, words, formatEvents(hostileOf(token) as never[]), JSON.stringify(timeline.windows)]
  expect(lanes).toHaveLength(1)
  expect(timeline.strange).toBe(4)
  for (const text of texts) {
    expect(text).not.toContain(token)
    for (const part of token.split('.')) if (part.length > 8) expect(text).not.toContain(part)
  }
})

test('what is no secret stays: paths, codes of errors, dates', () => {
  const [event] = storyOf([
    0,
    {
      type: 'request-rejected',
      request: request(1, 1, {
        url: 'https://api.staging2.example.com/v2/internationalisation/items/123456',
      }),
      status: 401,
      challenge: 'Bearer error="invalid_token", error_description="The access token expired at 2030-01-01"',
    },
  ])
  expect(formatEvents(event ? [event] : [], { times: false })).toBe(
    'request-rejected #1 GET https://api.staging2.example.com/v2/internationalisation/items/123456, 401, ' +
      'Bearer error="invalid_token", error_description="The access token expired at 2030-01-01"',
  )
})

test('a file is read as it was written, and from then on stays as it is', () => {
  const timeline = createTimeline()
  for (const event of hostileOf('8xLOxBtZp8dK2mQ7vWc4nRf')) timeline.add('tab', event)
  const file = writeTimeline(timeline)
  const again = createTimeline()
  for (const { source, event } of readTimeline(file)) again.add(source, event)
  expect(writeTimeline(again)).toBe(file)
})

test.each([
  '',
  '{',
  'null',
  '[]',
  '{"is":"refresh-once timeline","version":2,"entries":[]}',
  '{"is":"refresh-once timeline","version":1,"entries":{}}',
])('%j is no such file, and that is said', (text) => {
  expect(() => readTimeline(text)).toThrow(/^This is no file of a refresh-once timeline/)
})

test('whatever is added, a timeline goes on, and what it writes can be read', () => {
  const type = fc.constantFrom(
    'request-sent',
    'request-settled',
    'refresh-started',
    'refresh-failed',
    'signed-in',
  )
  const event = fc.record(
    {
      type: fc.oneof(type, fc.string()),
      at: fc.oneof(fc.double(), fc.anything()),
      state: fc.anything(),
      request: fc.oneof(fc.anything(), fc.record({ id: fc.nat(5), url: fc.string() })),
      reason: fc.string(),
      message: fc.string(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(event, fc.anything())), (events) => {
      const timeline = createTimeline()
      for (const one of events) timeline.add('tab', one)
      timeline.lanes.map(explainLane)
      timeline.refreshes.map(explainRefresh)
      expect(readTimeline(writeTimeline(timeline))).toHaveLength(timeline.entries().length)
    }),
  )
})
