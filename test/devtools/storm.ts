import type { SessionEvent } from 'refresh-once'
import { request, storyOf } from './events.ts'

/** The events of so many requests, 5 ms apart; each hundredth has to be refreshed for. */
export function* stormOf(count: number, first = 1): Generator<SessionEvent> {
  for (let id = first; id < first + count; id++) {
    const from = id * 5
    const generation = Math.floor(id / 100) + 1
    const about = request(id, generation)
    if (id % 100 > 0) {
      yield* storyOf(
        [from, { type: 'request-sent', request: about }, { generation }],
        [
          from + 80,
          { type: 'request-settled', request: about, ok: id % 10 > 0, status: id % 10 ? 200 : 500 },
        ],
      )
      continue
    }
    const before = { generation: generation - 1 }
    yield* storyOf(
      [from, { type: 'request-sent', request: request(id, generation - 1) }, before],
      [
        from + 40,
        { type: 'request-rejected', request: request(id, generation - 1), status: 401, challenge: '' },
      ],
      [from + 40, { type: 'refresh-started', reason: 'rejected' }, { refreshing: true }],
      [from + 100, { type: 'refresh-succeeded' }, { refreshing: false, generation }],
      [from + 100, { type: 'request-replayed', request: about }],
      [from + 180, { type: 'request-settled', request: about, ok: true, status: 200 }],
    )
  }
}
