import type { SessionState, Stored } from 'refresh-once'
import type { Grant } from './server.ts'
import { compare } from './shared-store.ts'

/** Who is signed in, as one context can know it at a time. */
export interface View {
  /** Taken when a request is made: whose it is. */
  stamp(): Stamp
  /** What is wrong with sending what bears this stamp with a token of `grant` (undefined: without a token). */
  objection(stamp: Stamp, token: string | undefined, grant: Grant | undefined): string | undefined
  /** Whether somebody else may have signed in, or anybody out, since. */
  changedSince(stamp: Stamp): boolean
  /** The sign-in that this context is certainly in. */
  readonly grant: Grant | undefined
  /** Whether this context certainly knows that nobody is signed in. */
  readonly signedOut: boolean
  signIn(grant: Grant): void
  signOut(): void
  /**
   * A sign-in or sign-out is being saved. Where it was not known what is stored, it comes after whatever that is:
   * nobody else is gone by until then.
   */
  begins(saving: Promise<unknown>, unknown: boolean): void
  /** The server has told this context that the sign-in is over. */
  refused(grant: Grant): void
  heard(state: SessionState): void
}

/** Opaque to all but the view that made it. */
export interface Stamp {
  readonly floor: Place | undefined
  readonly ceiling: Place | undefined
}

/** A place in the order of sign-ins; `grant` is undefined where nobody is signed in. */
interface Place {
  readonly order: string | number
  readonly grant: Grant | undefined
}

/** A context that shares its session with nobody: who is signed in is what it was told last. */
export function createLocalView(renewed: () => Grant | undefined): View {
  let place: Place | undefined
  let order = 0
  let generation = 0
  const go = (grant: Grant | undefined) => {
    place = { order: ++order, grant }
    generation = 0
  }

  return {
    stamp: () => ({ floor: place, ceiling: place }),
    objection({ floor }, _, grant) {
      if (floor?.grant && !grant) return 'L4: it was made by somebody signed in, and goes out anonymously'
      if (floor && floor.grant !== grant)
        return `L4: it was made by ${name(floor)}, and carries a token of ${name({ grant })}`
      if (grant && place?.grant !== grant)
        return `L5: ${name(place)} is signed in, and it carries a token of ${name({ grant })}`
      if (!grant && place?.grant) return `L4: ${name(place)} is signed in, and it goes out anonymously`
      return undefined
    },
    changedSince: ({ floor }) => floor?.order !== place?.order,
    get grant() {
      return place?.grant
    },
    get signedOut() {
      return place !== undefined && place.grant === undefined
    },
    signIn: go,
    signOut: () => go(undefined),
    // Nobody else is heard of.
    begins() {},
    refused() {},
    heard(state) {
      if (state.status === 'signed-out' && (!place || place.grant)) go(undefined)
      if (state.status !== 'signed-in') return
      if (!place) go(renewed())
      if (!place?.grant) throw new Error('L5: the session is signed in again, and nobody has signed in')
      if (state.generation < generation)
        throw new Error(`L2: generation ${state.generation} after generation ${generation}`)
      generation = state.generation
    },
  }
}

/** What all contexts of one store have in common: which sign-in and which version a token belongs to. */
export interface Registry {
  /** Whether a sign-in or sign-out is saved that nobody has saved before. */
  saved(stored: Stored): boolean
  versionOf(token: string): Stored | undefined
}

export function createRegistry(): Registry {
  const byToken = new Map<string, Stored>()
  const epochs = new Set<string>()
  return {
    saved(stored) {
      const { version, tokens, ended } = stored
      const isNew = !epochs.has(version.epoch)
      epochs.add(version.epoch)
      const known = byToken.get(tokens?.accessToken ?? '')
      if (tokens && (!known || compare(version, known.version) > 0)) byToken.set(tokens.accessToken, stored)
      return isNew && (tokens !== undefined || ended !== undefined)
    },
    versionOf: (token) => byToken.get(token),
  }
}

/** A context that shares a store: between what it certainly knows and what it may have heard of. */
export interface SharedView extends View {
  saving(stored: Stored): void
  told(stored: Stored): void
  watched(stored: Stored): void
}

/** @param given the access token of the options: where the store cannot be read it is used, and saved with the next one */
export function createSharedView(
  registry: Registry,
  grantOf: (token: string | undefined) => Grant | undefined,
  given?: string,
): SharedView {
  /** The newest record that this session certainly goes by. */
  let floor: Stored | undefined
  /** The newest that it may go by. */
  let ceiling: Stored | undefined
  let signingIn = false
  /** The epochs that were seen to end by a refusal. */
  const ended = new Set<string>()
  /** Whose end this context was told by the server itself. */
  const over = new Set<Grant | undefined>()
  /** How many verbs are being saved that did not know what is stored. */
  let blind = 0
  /** The newest news that came meanwhile. */
  let waiting: Stored | undefined
  /** The last end that it has heard of. A newer record of the same sign-in may be saved all the same. */
  let end: Stored | undefined

  const higher = (a: Stored | undefined, b: Stored) =>
    !a || compare(b.version, a.version) > 0 || (compare(a.version, b.version) === 0 && b.ended) ? b : a
  const isOver = (stored: Stored) => stored.ended !== undefined || ended.has(stored.version.epoch)
  const placeOf = (stored: Stored | undefined): Place | undefined => {
    if (!stored || !(stored.tokens || isOver(stored))) return undefined
    const order = stored.version.epoch
    return { order, grant: isOver(stored) ? undefined : grantOf(stored.tokens?.accessToken) }
  }
  const hear = (stored: Stored) => {
    ceiling = higher(ceiling, stored)
    if (stored.ended) end = stored
  }
  const know = (stored: Stored) => {
    hear(stored)
    floor = higher(floor, stored)
    if (stored.ended && floor === stored) ended.add(stored.version.epoch)
  }

  return {
    stamp: () =>
      signingIn
        ? { floor: undefined, ceiling: undefined }
        : // Where nobody is signed in, a look into the store finds whoever has signed in elsewhere.
          { floor: placeOf(floor), ceiling: floor && isOver(floor) ? undefined : placeOf(ceiling) },
    objection(stamp, token, grant) {
      // Inside the events of a sign-in that has not come to its save yet.
      if (signingIn) return undefined
      if (!token) {
        if (stamp.floor?.grant && stamp.ceiling?.grant)
          return 'L4: it was made by somebody signed in, and goes out anonymously'
        return undefined
      }
      const record = registry.versionOf(token)
      if (!record && token === given && !floor) return undefined
      if (!record) return 'L2: it carries a token that was never saved'
      const { epoch } = record.version
      const { floor: low, ceiling: high } = stamp
      if (low && (epoch < low.order || (high && epoch > high.order)))
        return `L4: it was made by ${name(low)}, and carries a token of ${name({ grant })}`
      if (low && !low.grant && epoch === low.order)
        return 'L5: nobody was signed in when it was made, and it carries a token'
      if (ended.has(epoch)) return 'L5: it carries a token of a sign-in that has ended'
      if (floor && epoch < floor.version.epoch)
        return `L5: ${name(placeOf(floor))} is signed in, and it carries a token of ${name({ grant })}`
      if (floor && compare(record.version, floor.version) < 0)
        return `L2: generation ${record.version.generation} after generation ${floor.version.generation}`
      know(record)
      return undefined
    },
    changedSince: (stamp) =>
      stamp.floor?.order !== placeOf(ceiling)?.order || stamp.floor?.grant !== placeOf(floor)?.grant,
    get grant() {
      const [low, high] = [placeOf(floor), placeOf(ceiling)]
      return low && low.order === high?.order ? low.grant : undefined
    },
    get signedOut() {
      return floor !== undefined && isOver(floor)
    },
    signIn() {
      signingIn = true
    },
    signOut() {
      signingIn = true
    },
    heard(state) {
      // What an operation told has become the session's record.
      if (state.status === 'signed-out' && end) know(end)
      // Of a record that is not in the store the end is not saved either.
      if (state.status === 'signed-out' && floor && over.has(grantOf(floor.tokens?.accessToken)))
        ended.add(floor.version.epoch)
      if (state.status === 'signed-in' && ceiling?.tokens && floor?.ended) know(ceiling)
    },
    saving(stored) {
      // A sign-in or sign-out is in effect as soon as it is asked for; what a refresh has brought is not.
      if (registry.saved(stored) && stored.version.generation === 1) know(stored)
      else hear(stored)
      signingIn = false
    },
    told: hear,
    watched(stored) {
      if (!blind) return know(stored)
      hear(stored)
      waiting = higher(waiting, stored)
    },
    begins(saving, unknown) {
      if (!blind && !unknown) return
      blind++
      const saved = () => {
        if (--blind || !waiting) return
        know(waiting)
        waiting = undefined
      }
      saving.then(saved, saved)
    },
    refused: (grant) => void over.add(grant),
  }
}

function name(place: { grant: Grant | undefined } | undefined): string {
  return place?.grant ? `${place.grant.user}${place.grant.id}` : 'nobody'
}
