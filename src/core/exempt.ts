import { SessionError } from './errors.ts'
import type { IgnoreReason } from './events.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import type { SessionRequest } from './request.ts'

/** Why the session leaves a request alone, if so. Throws where it cannot be sent as it is. */
export function exempt(parts: Parts, request: SessionRequest<unknown>): IgnoreReason | undefined {
  const { settings, running, cookie } = parts
  if (request.exempt) return request.exempt
  const part = running.partOf(request.signal) ?? request.part
  if (part === 'refresh') return part
  if (settings.skip?.(request.url, request.method)) return 'skipped'
  if (request.conflict) {
    if (cookie) return undefined
    throw new TypeError(say('basic'))
  }
  if (brings(parts, request)) return 'own-credentials'
  return part === 'sign-out' && running.ending?.accessToken ? part : undefined
}

/** Whether it brings credentials that are none of ours. Throws where they are of another sign-in. */
export function brings({ signing }: Parts, request: SessionRequest<unknown>): boolean {
  const whose = signing.brings(request)
  if (whose === 'former') throw new SessionError('session_changed')
  return whose === 'foreign'
}
