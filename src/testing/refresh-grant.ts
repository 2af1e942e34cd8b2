import type { TrackedAnswer } from './conversation.ts'
import type { RefreshEntry, RefusedEntry, ReuseEntry, ServerLog } from './server-log.ts'
import { invalidGrant, tokenAnswer, tokenResponse } from './token-answer.ts'
import { fingerprint, type IssuedTokens, type RefreshVerdict, type TokenLedger } from './token-ledger.ts'
import type { TokenRequest } from './token-request.ts'

type VerdictOf<Kind extends RefreshVerdict['kind']> = Extract<RefreshVerdict, { kind: Kind }>

export interface RefreshGrantOptions {
  ledger: TokenLedger
  log: ServerLog
  expiresIn: (issued: IssuedTokens) => number | undefined
}

/**
 * Exchanges a refresh token (RFC 6749 §6), and remembers what became of each answer: only that tells a client
 * that lost an answer from one that spent a token twice.
 */
export function createRefreshGrant(
  options: RefreshGrantOptions,
): (request: TokenRequest, refreshToken: string) => TrackedAnswer {
  const { ledger, log, expiresIn } = options
  const answers = new WeakMap<IssuedTokens, RefreshEntry[]>()

  function issue(
    request: TokenRequest,
    verdict: VerdictOf<'rotated' | 'grace'>,
    about: Presented,
  ): TrackedAnswer {
    const { kind, from, issued } = verdict
    const explanation =
      kind === 'rotated'
        ? `${nameOf(from)} was exchanged for generation ${issued.generation}`
        : `${nameOf(from)} came again within the grace: generation ${issued.generation} once more`
    const entry = log.append<RefreshEntry>({
      kind: kind === 'rotated' ? 'refresh' : 'grace',
      ...about,
      ...ownerOf(issued),
      answer: 'outstanding',
      explanation,
    })
    answers.set(issued, [...(answers.get(issued) ?? []), entry])

    const settled = (loss?: string): void => {
      entry.answer = loss === undefined ? 'delivered' : 'lost'
      if (loss !== undefined) entry.loss ??= loss
      log.changed()
    }
    // The client may die while the answer is held back: then it is lost before it is sent.
    const { response } = request.conversation
    response.once('close', () => {
      if (!response.writableFinished) settled('the client hung up')
    })
    const rotated = from.refreshToken !== issued.refreshToken
    return { ...tokenAnswer(request, tokenResponse(issued, expiresIn(issued)), rotated), settled }
  }

  function reuse(
    request: TokenRequest,
    { from, successor, revoked }: VerdictOf<'reuse'>,
    about: Presented,
  ): TrackedAnswer {
    const entries = answers.get(successor) ?? []
    const rotation = entries[0]?.n ?? 0
    const cause = causeOf(entries)
    const because = {
      delivered: 'and the answer was delivered',
      outstanding: 'and its answer is still outstanding',
      'lost-answer': `but its answer was lost (${entries.at(-1)?.loss})`,
    }[cause]
    const consequence = revoked ? `family ${from.family.id} is revoked` : 'refused'
    log.append<ReuseEntry>({
      kind: 'reuse',
      ...about,
      ...ownerOf(from),
      cause,
      rotation,
      revoked,
      explanation: `${nameOf(from)} came again; #${rotation} had consumed it, ${because}; ${consequence}`,
    })
    return invalidGrant(request)
  }

  function refuse(
    request: TokenRequest,
    { from, reason }: VerdictOf<'refused'>,
    about: Presented,
  ): TrackedAnswer {
    const explanation = from
      ? `${nameOf(from)} came, but its family is revoked: ${from.family.revoked}`
      : `refresh token ${about.token} was never issued here`
    log.append<RefusedEntry>({ kind: 'refused', ...about, reason, ...(from && ownerOf(from)), explanation })
    return invalidGrant(request)
  }

  return (request, refreshToken) => {
    const { method, path } = request.conversation
    const about = { method, path, token: fingerprint(refreshToken) }
    const verdict = ledger.refresh(refreshToken)
    if (verdict.kind === 'refused') return refuse(request, verdict, about)
    if (verdict.kind === 'reuse') return reuse(request, verdict, about)
    return issue(request, verdict, about)
  }
}

interface Presented {
  readonly method: string
  readonly path: string
  readonly token: string
}

/** One delivered answer is enough to know better; one that may still come is reason to wait. */
function causeOf(entries: readonly RefreshEntry[]): ReuseEntry['cause'] {
  if (entries.some(({ answer }) => answer === 'delivered')) return 'delivered'
  return entries.some(({ answer }) => answer === 'outstanding') ? 'outstanding' : 'lost-answer'
}

function nameOf({ family, generation }: IssuedTokens): string {
  return `${family.user}'s refresh token ${family.id}/${generation}`
}

function ownerOf({ family, generation }: IssuedTokens): { user: string; family: string; generation: number } {
  return { user: family.user, family: family.id, generation }
}
