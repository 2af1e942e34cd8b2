import type { OAuthProvider, OAuthTokens } from './provider.ts'

/** What a provider keeps of the tokens. */
export interface Kept {
  /** Where that is a login that the session does not know. */
  read(): Promise<OAuthTokens | undefined>
  write(tokens: OAuthTokens, ...more: unknown[]): Promise<void>
}

/** A login is told from another by its refresh token, which is of no use to two. */
const markOf = (tokens: OAuthTokens): string => tokens.refresh_token ?? tokens.access_token

/** Reads and writes the tokens of a provider, without taking for news what it was told itself. */
export function createKept(provider: OAuthProvider): Kept {
  /** Marks the tokens that the provider and the session have had in common last. */
  let held: string | undefined
  /** It keeps what it was told last. Does not reject. */
  let writing: Promise<void> | undefined

  return {
    async read() {
      const before = writing
      await before
      const saved = (await provider.tokens()) as OAuthTokens | undefined
      // Or somebody has written since: what was read is the former login.
      if (!saved?.access_token || markOf(saved) === held || writing !== before) return undefined
      held = markOf(saved)
      // When it was received is not known: a lifetime says nothing.
      return { ...saved, expires_in: undefined }
    },

    async write(tokens, ...more) {
      const saving = (async () => {
        await provider.saveTokens(tokens, ...more)
        // What it has failed to keep is not what it has: that would be taken for another's login.
        held = markOf(tokens)
      })()
      writing = saving.catch(() => {})
      await saving
    },
  }
}
