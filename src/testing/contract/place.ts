import { compareVersions, type Lease, type SessionStore, type Stored } from '../../core/store.ts'

/** Where the stores of one check meet: nobody else has been there. */
export interface Place {
  /** One context's store. Opened twice, it is two contexts at the same record. */
  open(): Promise<SessionStore>
  /** The same, with a lease that ends soon. */
  openBrief(): Promise<SessionStore>
  /** Another place. */
  elsewhere(): Place
}

/** One rule of the contract. */
export interface Rule {
  /** What must hold, as a sentence. */
  readonly name: string
  /** Whether it takes several contexts that share a record. */
  readonly shared?: true
  /** Whether it takes a turn that passes on although the work of a living holder has not ended. */
  readonly passesOn?: true
  check(place: Place): Promise<void>
}

/** Longer than any store needs, shorter than any test runner waits. */
const PATIENCE = 10_000

/** Rejects with a sentence where `promise` would keep everybody waiting. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE} ms: ${what}`)), PATIENCE)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export function ensure(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what)
}

/** Whether two values are one as JSON, where a member that is undefined is absent, and so is a cooldown of zero. */
export function ensureSame(actual: unknown, expected: unknown, what: string): void {
  const [is, should] = [canonical(actual), canonical(expected)]
  ensure(is === should, `${what}: expected ${should}, got ${is}`)
}

function canonical(value: unknown): string {
  return String(
    JSON.stringify(value, (name, part) => {
      if (name === 'notBefore' && part === 0) return undefined
      if (!part || typeof part !== 'object' || Array.isArray(part)) return part
      return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
    }),
  )
}

/** The error with which `promise` rejects, which it must. */
export async function refusalOf(promise: Promise<unknown>, what: string): Promise<unknown> {
  let error: unknown
  const refused = await soon(
    promise.then(
      () => false,
      (reason) => {
        error = reason
        return true
      },
    ),
    what,
  )
  ensure(refused, `expected a rejection: ${what}`)
  return error
}

/** An epoch as sessions name them; later ones are greater. */
export function epoch(time: number): string {
  return `${String(time).padStart(15, '0')}0.5${time}0.25`
}

/** A token set of this version. */
export function record(
  generation: number,
  { time = 1, nonce = 'a' }: { time?: number; nonce?: string } = {},
): Stored {
  return {
    version: { epoch: epoch(time), generation, nonce },
    tokens: { accessToken: `at-${time}-${generation}-${nonce}`, refreshToken: `rt-${time}-${generation}` },
  }
}

/** What a context hears. */
export interface Hearing {
  readonly heard: readonly Stored[]
  /** Resolves once it has heard of this version or a greater one. */
  of(next: Stored): Promise<void>
  /** Hears no more. */
  end(): void
}

export function hear(store: SessionStore): Hearing {
  const heard: Stored[] = []
  const looks = new Set<() => void>()
  const end = store.watch((stored) => {
    heard.push(stored)
    for (const look of [...looks]) look()
  })
  const reached = (next: Stored): boolean =>
    heard.some((stored) => {
      const difference = compareVersions(stored.version, next.version)
      return difference > 0 || (!difference && stored.ended === next.ended)
    })
  return {
    heard,
    end,
    of: (next) =>
      soon(
        new Promise<void>((resolve) => {
          const look = (): void => {
            if (!reached(next)) return
            looks.delete(look)
            resolve()
          }
          looks.add(look)
          look()
        }),
        `news of ${JSON.stringify(next.version)}`,
      ),
  }
}

/** A turn that somebody has, until it is told to end. */
export interface KeptTurn<Value> {
  /** Resolves once the turn has come. */
  readonly begun: Promise<void>
  end(): void
  /** What `exclusive` settles with. */
  readonly ended: Promise<Value>
}

/** Takes a turn, does `first` in it, and keeps it. */
export function keepTurn<Value>(
  store: SessionStore,
  first: (lease: Lease) => Promise<Value>,
  signal?: AbortSignal,
): KeptTurn<Value> {
  let end = (): void => {}
  const told = new Promise<void>((resolve) => {
    end = resolve
  })
  let begin = (): void => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const ended = store.exclusive(async (lease) => {
    const value = await first(lease)
    begin()
    await told
    return value
  }, signal)
  const failed = ended.then(() => {})
  failed.catch(() => {})
  return { begun: soon(Promise.race([begun, failed]), 'a turn'), end, ended }
}
