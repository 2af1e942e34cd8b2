import { outlast } from './outlast.ts'
import type { Parts } from './parts.ts'
import type { Sent, SessionRequest, SessionResponse } from './request.ts'

/** What the app says of an answer, by `shouldRefresh`: whether it asks for a refresh; undefined leaves it to us. */
export async function wantsRefresh(
  parts: Parts,
  request: SessionRequest<unknown>,
  outcome: unknown,
  response: SessionResponse = request.responseOf(outcome),
  stale?: boolean,
): Promise<boolean | undefined> {
  const { shouldRefresh, clock, deadline } = parts.settings
  const sent: Sent = {
    get stale() {
      const { generation, epoch } = parts.known
      return stale || request.generation !== generation || request.epoch !== epoch
    },
    age: clock.monotonic() - request.sentAt,
    attempt: request.attempts,
    patience: deadline,
  }
  const asking = shouldRefresh?.(response, outcome, sent)
  const { patience } = sent
  return asking instanceof Object ? outlast(parts, 'shouldRefresh', asking, request, patience) : asking
}
