import type { InternalAxiosRequestConfig } from 'axios'
import type { Credentials } from '../../core/request.ts'
import { answerOf } from './answer.ts'
import { withoutHeaders } from './headers.ts'

type Config = InternalAxiosRequestConfig

/** Of a config, whatever they are. */
export type Members = Record<string, unknown>

/**
 * Puts members of ours into a caller's config while it is on the wire, and returns what was in their places: to copy it
 * would cost more than all else that is done for a request.
 */
export function swap(config: Members, ours: Members): Members {
  for (const key in ours) {
    const own = config[key]
    config[key] = ours[key]
    ours[key] = own
  }
  return ours
}

/**
 * Makes the config the caller's again, also where whoever stands before the adapter has sent a copy.
 *
 * @param callers what was swapped
 * @param set the headers that hold credentials, which the caller's config has not
 */
export function giveBack(
  config: Config,
  callers: Members,
  outcome: unknown,
  set: Credentials['headers'],
): void {
  let last: unknown
  for (const sent of [config, Object(outcome).config, answerOf(outcome).config]) {
    if (!sent || sent === last) continue
    last = sent
    for (const key in callers) {
      if (callers[key] === undefined) delete sent[key]
      else sent[key] = callers[key]
    }
    if (sent !== config) sent.headers = withoutHeaders(sent.headers, set, config.headers)
  }
}
