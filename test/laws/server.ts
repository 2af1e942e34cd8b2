/** How the simulated authorization server and API behave. */
export interface ServerRules {
  /**
   * `none`: a refresh token is good for ever. `strict`: it is good once; whoever shows it again revokes the
   * whole grant (RFC 9700 §4.14.2). `grace`: the same, but not within {@link GRACE} of its first use.
   */
  rotation: 'none' | 'strict' | 'grace'
  /** Milliseconds that an access token is accepted. */
  lifetime: number
  /** Whether the answer says so (`expires_in`). */
  announces: boolean
}

/** Where the refresh token is kept. */
export interface Carrier {
  /** In a cookie, of which nobody knows whose answer it came with. */
  inJar: boolean
}

/** Milliseconds within which a refresh token may be shown again, where there is grace. */
const GRACE = 30_000

/** One sign-in at the authorization server, and the family of tokens that came of it. */
export interface Grant {
  readonly id: number
  readonly user: string
  revoked: boolean
}

/** One use of a refresh token, as the wire and the client know it. */
export interface RefreshCall {
  readonly id: number
  readonly grant: Grant | undefined
  /** The client has been answered, or has given up. */
  answered: boolean
  /** What the client was answered were no tokens: if the server has rotated, nobody knows the new ones. */
  lost: boolean
  /** Whether the holder's lease is over. */
  overrun(): boolean
}

/** A refresh token was shown that had been spent before: by whom then, and by whom now. */
interface Reuse {
  readonly spentBy: RefreshCall
  readonly by: RefreshCall
  readonly explained: boolean
}

/** A token response (RFC 6749 §5.1). */
export type TokenAnswer = {
  access_token: string
  refresh_token?: string
  expires_in?: number
}

interface AccessToken {
  readonly grant: Grant
  readonly until: number
  accepted: boolean
}

interface RefreshToken {
  readonly grant: Grant
  /** The refresh that it was the answer to. */
  readonly issuedTo: RefreshCall | undefined
  spent: { at: number; call: RefreshCall } | undefined
}

/** An authorization server and an API that knows its tokens: a pure model, told the time. */
export interface Server {
  readonly reuses: readonly Reuse[]
  login(user: string, now: number): { grant: Grant; answer: TokenAnswer }
  /** Undefined: invalid_grant. */
  refresh(token: string | undefined, call: RefreshCall, now: number): TokenAnswer | undefined
  /** Another access token of the same grant; the refresh token stays. */
  exchange(grant: Grant, now: number): TokenAnswer
  revoke(grant: Grant): void
  /** From now on no access token is accepted that was issued before. */
  expireAll(): void
  /** Whether the API accepts an access token. */
  accepts(token: string | undefined, now: number): boolean
  grantOfAccess(token: string | undefined): Grant | undefined
  grantOfRefresh(token: string | undefined): Grant | undefined
}

export function createServer(rules: ServerRules & Carrier): Server {
  const access = new Map<string, AccessToken>()
  const renewal = new Map<string, RefreshToken>()
  const reuses: Reuse[] = []
  let grants = 0

  function issueAccess(grant: Grant, now: number): TokenAnswer {
    const token = `access-${access.size + 1}-of-${grant.user}`
    access.set(token, { grant, until: now + rules.lifetime, accepted: true })
    return { access_token: token, ...(rules.announces && { expires_in: rules.lifetime / 1000 }) }
  }

  function issue(grant: Grant, now: number, issuedTo?: RefreshCall): TokenAnswer {
    const token = `refresh-${renewal.size + 1}-of-${grant.user}`
    renewal.set(token, { grant, issuedTo, spent: undefined })
    return { ...issueAccess(grant, now), refresh_token: token }
  }

  return {
    reuses,
    login(user, now) {
      const grant: Grant = { id: ++grants, user, revoked: false }
      return { grant, answer: issue(grant, now) }
    },
    refresh(token, call, now) {
      const shown = renewal.get(token ?? '')
      if (!shown || shown.grant.revoked) return undefined
      if (rules.rotation === 'none') return issueAccess(shown.grant, now)
      if (!shown.spent) shown.spent = { at: now, call }
      else if (rules.rotation === 'grace' && now - shown.spent.at <= GRACE) {
        // Whoever has got another one meanwhile holds a spent one from now on: one token of a family is good.
        for (const other of renewal.values())
          if (other.grant === shown.grant) other.spent ??= { at: now, call }
      } else {
        const spentBy = shown.spent.call
        // The one came after the other's answer was lost, or they overlapped because a lease was over. Then a
        // cookie may be the older one's, too: whichever answer comes last is kept.
        const outOfTurn = rules.inJar && shown.issuedTo?.overrun() === true
        const explained = spentBy.lost || spentBy.overrun() || call.overrun() || outOfTurn
        reuses.push({ spentBy, by: call, explained })
        shown.grant.revoked = true
        return undefined
      }
      return issue(shown.grant, now, call)
    },
    exchange: issueAccess,
    revoke(grant) {
      grant.revoked = true
    },
    expireAll() {
      for (const token of access.values()) token.accepted = false
    },
    accepts(token, now) {
      const shown = access.get(token ?? '')
      return shown?.accepted === true && !shown.grant.revoked && now < shown.until
    },
    grantOfAccess: (token) => access.get(token ?? '')?.grant,
    grantOfRefresh: (token) => renewal.get(token ?? '')?.grant,
  }
}
