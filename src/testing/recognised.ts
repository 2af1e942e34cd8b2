import type { Route, TrackedAnswer } from './conversation.ts'
import type { Presented } from './server-log.ts'

/** A request that was recognised and not yet handled: the moment at which faults strike. */
export interface RecognisedRequest {
  readonly place: Route
  /** Whose token it carries, for the log. */
  readonly presented: Partial<Presented>
  handle(): TrackedAnswer | Promise<TrackedAnswer>
  /** The body of the request, if somebody wants to see it on its way. */
  body?(): Promise<Buffer>
}
