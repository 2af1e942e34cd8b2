import type { Budget } from './budget.ts'
import type { Cooldown } from './cooldown.ts'
import { SessionError } from './errors.ts'
import type { Arrival, Events, SessionNews } from './events.ts'
import { say } from './messages.ts'
import type { Settings } from './options.ts'
import type { Running } from './running.ts'
import { compareVersions, hasSameAccess, type Stored, type Version } from './store.ts'
import type { TokenSet } from './tokens.ts'
import { type Validity, validityOf } from './validity.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** How many token sets are remembered as ours. */
const REMEMBERED = 9

const NONE: readonly never[] = []

/** Tokens, and of which sign-in they are or were. */
export interface Held {
  readonly tokens: TokenSet
  readonly epoch: string
}

/** Those to whom news means something. */
interface Concerned {
  readonly settings: Settings
  readonly events: Events
  readonly room: WaitingRoom
  readonly running: Running
  readonly cooldown: Cooldown
  readonly budget: Budget
}

/** What is known of the session: the newest record that was seen. Only `become` replaces it, and only by a newer one. */
export class Known {
  readonly #concerned: Concerned
  #record: Stored | undefined
  /** In which version the access token came. Newer ones may hold the same: another audience's was renewed. */
  #since: Version | undefined
  #validity: Validity
  /** The store has not been read yet. */
  #reading: boolean
  /** Cookie mode: something was accepted, perhaps for the sake of a cookie. */
  #met = false
  /** Why the session was ended by its server. */
  #end: SessionError | undefined
  /** Tokens that were ours: the first, of which apps set one as a default header, and the newest. */
  #held: readonly Held[] = NONE
  /** A sign-out of which only `state` tells yet. */
  #untold: SessionNews | undefined
  #first: Promise<void> | undefined
  /** That comes after whatever is stored. */
  #comesLast = false

  constructor(concerned: Concerned, reading: boolean) {
    this.#concerned = concerned
    this.#reading = reading
    this.#validity = validityOf(undefined, concerned.settings, concerned.settings.clock)
  }

  get record(): Stored | undefined {
    return this.#record
  }

  /** Of the record's tokens. */
  get validity(): Validity {
    return this.#validity
  }

  get reading(): boolean {
    return this.#reading
  }

  /** In which version the access token came. */
  get since(): Version | undefined {
    return this.#since
  }

  /** Of the access token; 0 while nothing is known. */
  get generation(): number {
    return this.#since?.generation ?? 0
  }

  /** Names what `update` has put in the place of the sign-in's first tokens: they may be another organisation's. */
  get line(): number | undefined {
    return this.#record?.tokens?.updateGeneration
  }

  /** Names the sign-in, or the sign-out. */
  get epoch(): string | undefined {
    return this.#record?.version.epoch
  }

  /** What those are told who need a session that has ended. */
  get expired(): SessionError {
    return this.#end ?? new SessionError('session_expired', say('signed-out'))
  }

  /** A request was accepted: where nobody can see the cookies, there may be a good one. */
  meet(): void {
    this.#met = true
  }

  /** The server has refused: `become` is told of the record next. */
  refused(error: SessionError): void {
    this.#end = error
  }

  /** The sign-in of the token in the value of a header, with or without its scheme; undefined where it is none of ours. */
  signInOf(value: string): string | undefined {
    const own = this.#held.filter(
      ({ tokens: { accessToken } }) => value === accessToken || value.endsWith(` ${accessToken}`),
    )
    return own.at(-1)?.epoch
  }

  /** The same array until there are others. */
  get held(): readonly Held[] {
    return this.#held
  }

  /** The store was read, or could not be, and has told nothing. */
  nothing(): void {
    const { events, room } = this.#concerned
    this.#reading = false
    events.emit({ type: 'restored' })
    room.empty()
  }

  /** While that is saved which this context has begun with, or has done before it was known what is stored. */
  get first(): Promise<void> | undefined {
    return this.#first
  }

  /** Whether it comes after whatever is stored. */
  get comesLast(): boolean {
    return this.#comesLast && this.#first !== undefined
  }

  /**
   * @param comesLast what others have done comes before what is being saved: it is heard of after it, and only where it is
   *   news then
   */
  begins(saving: Promise<unknown>, comesLast: boolean): void {
    this.#comesLast = comesLast
    const saved = () => {
      if (this.#first === own) this.#first = undefined
    }
    const own = saving.then(saved, saved)
    this.#first = own
  }

  /** Tells those who observe of the sign-out that they have not heard of. */
  tell(): void {
    const news = this.#untold
    this.#untold = undefined
    if (news) this.#concerned.events.emit(news)
  }

  /**
   * Takes a record over, unless a newer one is known, and tells everybody.
   *
   * @param error for those who wait
   * @param leaves of its end those who observe hear by `tell`
   */
  become(next: Stored, type: Arrival, error?: SessionError, leaves?: boolean): boolean {
    if (!this.#isNews(next)) return false
    if (this.#first && this.#comesLast && next.version.nonce !== this.#record?.version.nonce) {
      void this.#first.then(() => this.become(next, type, error))
      return false
    }
    if (this.#untold && !next.ended) {
      // First the end, then the next sign-in: and whoever hears of it may begin one of his own.
      this.tell()
      return this.become(next, type, error, leaves)
    }
    if (type === 'refresh-adopted' && hasSameAccess(next, this.#record)) {
      // No news for those who wait for an access token; the refresh token is the one to go on with.
      this.#record = next
      return false
    }
    const { settings, events, room, running, cooldown, budget } = this.#concerned
    const { tokens, ended } = next
    // Others may have cured as little as we have: theirs count as soon as one of ours is in question.
    const others = type === 'refresh-adopted' && budget.inQuestion
    if (tokens && type.startsWith('refresh') && (running.flight?.holds || others)) budget.spend()
    const news = this.#newsOf(next, type)
    this.#record = next
    this.#since = next.version
    this.#validity = validityOf(tokens, settings, settings.clock)
    this.#reading = false
    if (ended !== 'rejected') this.#end = undefined
    if (tokens) this.#remember(tokens, next.version.epoch)
    cooldown.end()
    running.end()
    // Unless it is only about to be saved: another context would send the refresh token that is on its way.
    if (type !== 'signed-in') running.outdate(next.version.epoch)
    const later = leaves && ended
    if (later) this.#untold = news
    events.emit(later ? undefined : news)
    room.empty(error)
    return true
  }

  /**
   * What was found is not what happened: an app that is told of a sign-out shows the login, and where that is another
   * page, it starts, and finds the same again.
   */
  #newsOf({ version, ended }: Stored, type: Arrival): SessionNews {
    const before = this.#record
    const found = { type: 'restored' } as const
    if (type === 'signed-in') return ended ? { type: 'signed-out', reason: ended } : { type }
    if (type === 'restored' || this.#reading) return found
    if (ended) {
      // A refusal says nothing new where nobody has been seen signed in, nor an end after another.
      const was = ended === 'rejected' ? before?.tokens || this.#met : !before?.ended
      return was ? { type: 'signed-out', reason: ended } : found
    }
    return { type: before && before.version.epoch !== version.epoch ? 'signed-in' : type }
  }

  #isNews({ version, tokens, ended }: Stored): boolean {
    const record = this.#record
    if (!record) return true
    const difference = compareVersions(version, record.version)
    // Whoever has seen a session end does not see it live again: only another sign-in does that. Of generation 0
    // nobody has seen anything: it was refused to somebody who had not signed in yet.
    const { generation, epoch } = record.version
    if (record.ended && generation && epoch === version.epoch) return false
    // Of one version only the end is news, or tokens that could not be had before.
    return difference ? difference > 0 : ended !== undefined || (tokens !== undefined && !record.tokens)
  }

  #remember(tokens: TokenSet, epoch: string): void {
    // Not pushed: an array that grows keeps room for more, and most sessions have few tokens.
    const held = this.#held.concat({ tokens, epoch })
    if (held.length > REMEMBERED) held.splice(1, 1)
    this.#held = held
  }
}
