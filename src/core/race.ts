import { exempt } from './exempt.ts'
import { outlast } from './outlast.ts'
import type { Parts } from './parts.ts'
import { wantsRefresh } from './wants-refresh.ts'
import type { Answered } from './wire.ts'

/** A send. In an object: who awaits a promise of a promise waits for both. */
interface Sent {
  readonly answer: Promise<Answered>
}

/**
 * Now that there is a newer token than the one that was refused: what is safe and still on its way with the old one is
 * sent again at once, and does not wait to be refused, too.
 *
 * The first good answer counts; where neither is good, that of the newer token. The other send is taken off the wire
 * where its client can do that; else its answer is not read.
 */
export function race(parts: Parts): void {
  const { wire, known, room, signing, events, settings } = parts
  // Where the session has ended there is nothing to send it with.
  if (room.closed || known.record?.ended) return
  wire.race(known, events, async (request, answer) => {
    const { generation, attempts, recall } = request
    let over = false
    let answered = false
    void answer.then(() => {
      answered = true
    })
    const original: Sent = { answer }
    /** Undefined where it cannot be sent, or need not any more. */
    const again = async (): Promise<Sent | undefined> => {
      if (exempt(parts, request)) return undefined
      // What the transport has changed for the first send is not what it begins the second with.
      request.land(undefined)
      const { record } = known
      const signed = Promise.resolve(signing.sign(request))
      const credentials = await outlast(parts, 'applyToken', signed, request)
      // An answer that has come meanwhile is judged like any other: a 401 leads to a replay, all else is the caller's.
      if (known.record !== record || room.closed || answered) return undefined
      return { answer: wire.transmit(request, credentials, events) }
    }
    const replay = again().catch(() => undefined)
    const winner = await new Promise<Sent>((win) => {
      const look = async (sent: Sent | undefined) => {
        if (!sent) return
        const { outcome } = await sent.answer
        if (over) return
        const status = request.statusOf(outcome)
        const isGood =
          status &&
          status < 400 &&
          // Of the replay's the app is asked when it is judged.
          !(
            sent === original &&
            settings.shouldRefresh &&
            (await wantsRefresh(parts, request, outcome, undefined, true).catch(() => true))
          )
        if (isGood) win(sent)
        // Its body keeps a connection, for which the replay may be waiting.
        else if (sent === original && (await replay)) request.discard(outcome)
      }
      void Promise.all([look(original), replay.then(look)])
        .then(() => replay)
        .then((sent) => win(sent ?? original))
    })
    over = true
    const { recall: last } = request
    const lost = winner === original
    if (last !== recall) (lost ? last : recall)?.()
    if (lost) Object.assign(request, { generation, attempts })
    void Promise.resolve(lost ? replay : original).then(async (sent) => {
      if (sent) request.discard((await sent.answer).outcome)
    })
    return winner.answer
  })
}
