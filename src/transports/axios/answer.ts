import { AxiosHeaders, type AxiosResponse } from 'axios'
import type { SessionError } from '../../core/errors.ts'
import type { SessionResponse } from '../../core/request.ts'
import { ABSOLUTE } from './destination.ts'
import { jsonOf } from './json.ts'

/** The response that the outcome of an adapter is, or, where it is an error, holds. */
export function answerOf(outcome: unknown): Partial<AxiosResponse> {
  const { response = outcome } = Object(outcome)
  return Object(response)
}

/** That response, as the session sees it. */
export function responseOf(outcome: unknown): SessionResponse {
  const answer = answerOf(outcome)
  const { status = 0, headers: all, request } = answer
  const headers = AxiosHeaders.from(all as AxiosHeaders) as SessionResponse['headers']
  return {
    status,
    headers,
    url: [request?.res?.responseUrl, request?.responseURL].find((url) => ABSOLUTE.test(url)),
    async json() {
      try {
        return await jsonOf(answer, headers)
      } catch {
        return undefined
      }
    },
  }
}

/** Makes the reason the last in the chain of causes: old fetch adapters wrap their errors. */
export function blame(outcome: unknown, cause: SessionError): void {
  if (!(outcome instanceof Error)) return
  if (outcome.cause instanceof Error) blame(outcome.cause, cause)
  else outcome.cause = cause
}
