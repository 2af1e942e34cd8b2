import { type Reply, StatusError, type Transmission } from './request.ts'
import type { Logged, Send, Trial } from './trial.ts'
import { checkSend } from './verdict.ts'

/**
 * Puts a request on the wire. When it arrives, the API looks at its token; what it answers arrives later
 * still. A request that the client has cut may arrive all the same.
 */
export function transmit(trial: Trial, logged: Logged, token: string | undefined): Transmission {
  const { schedule, server, time, tally, cookie, jar } = trial
  const { id, request, sends, kind } = logged
  checkSend(trial, logged, token)
  const send: Send = { token: cookie ? jar.access : token, executed: false, begun: false, end: undefined }
  sends.push(send)
  trial.wire.push(logged)
  tally.sends++
  if (sends.length > 1) tally.replays++
  if (sends.at(-2)?.end === undefined && sends.length > 1) tally.races++
  const trouble = trial.apiFaults.shift()
  let cut: Transmission['cut'] = () => {}

  const reply = new Promise<Reply>((resolve, reject) => {
    const end = (how: NonNullable<Send['end']>, settle: () => void) => {
      if (send.end !== undefined) return
      send.end = how
      settle()
    }
    const answer = (status: number) =>
      schedule(`answer ${status} to request ${id}`, () =>
        end(status, () => {
          if (status === 0) reject(new Error('reset'))
          else if (status >= 400 && logged.throws) reject(new StatusError({ status }))
          else resolve({ status })
        }),
      )
    cut = (reason) =>
      end(request.abandoned ? 'aborted' : 'recalled', () => {
        if (!request.abandoned) tally.recalls++
        reject(reason)
      })
    schedule(`request ${id} arrives`, () => {
      if (trouble === 'reset') return answer(0)
      if (kind === 'locked' || !server.accepts(send.token, time.now())) return answer(401)
      if (request.method === 'POST' && sends.some(({ executed }) => executed))
        trial.fault(`L6: request ${id} is executed twice`)
      send.executed = true
      send.begun = logged.streams
      answer(trouble === 'reset after' ? 0 : trouble === '500' ? 500 : 200)
    })
  })
  return {
    reply,
    cut,
    get begun() {
      return send.begun
    },
  }
}
