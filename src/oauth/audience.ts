import { isOurs } from '../core/cooldown.ts'
import { join, type SessionStore, type Stored } from '../core/store.ts'
import type { TokenSet } from '../core/tokens.ts'
import type { Target } from './client.ts'
import type { Grant, RefreshTokenGrant } from './grants.ts'

/** Options of {@link audience}: what to ask for, of whom, and where the user's record is. */
export interface AudienceOptions extends Target {
  grant: RefreshTokenGrant
  /** A share of the store that the user's session has: see {@link shareStore}. */
  store: SessionStore
}

/** Without a pause of our own making: what one audience is refused keeps no other waiting. Retry-After is for all. */
const alone = <Record extends Stored>(record: Record): Record =>
  isOurs(record.notBefore ?? 0) ? { ...record, notBefore: undefined } : record

/** Of an audience for which there is no access token yet. */
const NONE: TokenSet = { accessToken: '', expiresAt: 0, receivedAt: undefined }

/**
 * Lets several session objects of one page or process share a store: each call gives one share, and each share hears what
 * the others save. The store is closed with the last one.
 *
 * @example
 * const share = shareStore(browserStore({ name: 'app' }))
 * const session = createSession({ ...grant, store: share() })
 */
export function shareStore(store: SessionStore): () => SessionStore {
  const listeners = new Map<object, (stored: Stored) => void>()
  let open = 0
  /** Also what the store has failed to take: who has it in memory shares that, too. */
  let newest: Stored | undefined
  return () => {
    const me = {}
    open++
    return {
      ...store,
      async load() {
        const stored = await store.load()
        return stored && newest ? join(stored, newest) : stored
      },
      async save(next) {
        newest = newest ? join(newest, next) : next
        const saved = await store.save(next)
        for (const [who, listener] of listeners) if (who !== me) listener(saved)
        return saved
      },
      watch(listener, degraded) {
        listeners.set(me, listener)
        const stop = store.watch(listener, degraded)
        return () => {
          listeners.delete(me)
          stop()
        }
      },
      close() {
        if (!--open) store.close()
      },
    }
  }
}

/**
 * For another API of the same user (RFC 8707): an access token, and windows, of its own over the user's one refresh token.
 * One refresh at a time, whoever wants it; a sign-in or a sign-out is everybody's. Spread it into `createSession`.
 *
 * Never give two sessions the same refresh token in any other way: each would spend the other's.
 *
 * @example
 * const session = createSession({ ...grant, store: share() })
 * const reports = createSession(audience({ grant, store: share(), resource: 'https://reports.example.com' }))
 * const reportsFetch = withSession(reports, { origins: ['https://reports.example.com'] })
 */
export function audience({ grant, store, ...target }: AudienceOptions): Grant & { store: SessionStore } {
  const key = JSON.stringify([target.resource, target.scope])

  /** The record as this audience sees it: the user's refresh token, and its own access token. */
  function view<Record extends Stored | undefined>(stored: Record): Record {
    if (!stored?.tokens) return stored
    const { audiences, ...shared } = stored.tokens
    return {
      ...alone(stored),
      tokens: { ...shared, ...NONE, ...((audiences as TokenSet | undefined)?.[key] as object) },
    }
  }

  return {
    ...grant,
    refresh: (context) => grant.exchange(context, target),
    store: {
      ...store,
      load: async () => view(await store.load()),
      async save(given) {
        const next = alone(given)
        if (!next.tokens) return view(await store.save(next))
        const stored = await store.load()
        const { refreshToken, refreshExpiresAt, id_token, ...own } = next.tokens
        const user = (stored?.version.epoch === next.version.epoch && stored.tokens) || NONE
        const audiences = { ...(user.audiences as object), [key]: own }
        const tokens = { ...user, refreshToken, refreshExpiresAt, id_token, audiences }
        return view(await store.save({ ...next, tokens }))
      },
      watch: (listener, degraded) => store.watch((stored) => listener(view(stored)), degraded),
    },
  }
}
