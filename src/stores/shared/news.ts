import { isNews, type SessionStore, type Stored } from '../../core/store.ts'

/** What one store object knows of its record, and who hears of it. */
export interface News {
  /** Whether it is newer than what this store object was given, or gave. */
  isNew(stored: Stored): boolean
  /** What was read, or is being written: no news from now on. */
  learn(stored: Stored): Stored
  /** What somebody else has written: those who watch hear of it, where it is news. */
  tell(stored: Stored | undefined): void
  /** What is not as it should be. */
  report(reason: string): void
  watch: SessionStore['watch']
  /** Nobody hears anything any more. */
  end(): void
}

export function createNews(): News {
  let known: Stored | undefined
  let hearers: readonly ((stored: Stored) => void)[] = []
  let degraded: ((reason: string) => void) | undefined

  const isNew = (stored: Stored) => isNews(stored, known)

  return {
    isNew,
    learn(stored) {
      if (isNew(stored)) known = stored
      return stored
    },
    tell(stored) {
      if (!stored || !isNew(stored)) return
      known = stored
      for (const hear of hearers) hear(stored)
    },
    report: (reason) => degraded?.(reason),
    watch(hear, listener = degraded) {
      hearers = [...hearers, hear]
      degraded = listener
      return () => {
        hearers = hearers.filter((other) => other !== hear)
      }
    },
    end() {
      hearers = []
    },
  }
}
