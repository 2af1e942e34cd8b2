import { SessionError } from '../core/errors.ts'
import { say } from '../core/messages.ts'
import type { RefreshContext, RefreshResult } from '../core/options.ts'
import { addressOf } from './address.ts'
import type { Kept } from './kept.ts'
import { type OAuthProvider, type OAuthTokens, overlay } from './provider.ts'
import { asksForTokens, type Server } from './server.ts'

/** What an SDK's `auth` is given here. */
export interface McpAuthOptions {
  serverUrl: URL
  resourceMetadataUrl?: URL
  fetchFn: (input: string | URL, init?: RequestInit) => Promise<Response>
}

/**
 * Refreshes by an SDK's `auth`: it is given a provider that leads to no login. Discovery, resource and client authentication
 * are its own; what an answer means is for the session to say.
 *
 * @param kept what the provider keeps, where it is the store
 */
export function createRenewal<Provider extends object & OAuthProvider>(
  auth: (provider: Provider, options: McpAuthOptions) => Promise<unknown>,
  app: Provider,
  { url, told, send }: Server,
  kept: Kept | undefined,
): (context: RefreshContext) => Promise<RefreshResult> {
  const { origin } = url
  /** What was discovered for refreshes. */
  let discovered: unknown
  /** From here on it would be a login. */
  const end = new SessionError('session_expired', say('mcp-login'))
  const stop = () => Promise.reject(end)

  return async ({ tokens, signal, warn }) => {
    // Other sessions and processes have theirs there.
    const other = await kept?.read()
    if (other) return other
    let fresh: OAuthTokens | undefined
    let sent = false
    let answer: Response | undefined
    let failure: unknown
    const note = (error: unknown): never => {
      failure = error
      throw error
    }
    const job = overlay(app, {
      tokens: () =>
        tokens && { ...tokens, access_token: tokens.accessToken, refresh_token: tokens.refreshToken },
      async saveTokens(next: OAuthTokens) {
        fresh = next
        await kept?.write(next).catch(() => warn(say('unsaved')))
      },
      discoveryState: async () => discovered ?? (await app.discoveryState?.()),
      saveDiscoveryState(state: unknown) {
        discovered = state
      },
      addClientAuthentication:
        app.addClientAuthentication &&
        ((...args: unknown[]) => (async () => app.addClientAuthentication?.(...args))().catch(note)),
      // A client that is gone is registered anew by the next login. Tokens are the session's to end.
      invalidateCredentials: (scope: string, ...more: unknown[]) =>
        scope === 'tokens' ? stop() : app.invalidateCredentials?.(scope, ...more),
      // What comes after an answer is another try, or a registration.
      clientInformation: (...args: unknown[]) => (answer ? stop() : app.clientInformation(...args)),
      state: stop,
    })
    told.resource_metadata ??= addressOf(tokens?.resource_metadata)?.href
    told.token_origin ??= tokens?.token_origin
    const { resource_metadata, token_origin = origin } = told
    const metadata = addressOf(resource_metadata)
    try {
      await auth(job, {
        serverUrl: new URL(url),
        ...(metadata && { resourceMetadataUrl: metadata }),
        async fetchFn(input, init) {
          const asks = asksForTokens(init)
          // Where nothing can be discovered for now, an SDK takes the MCP server for the one that gives tokens.
          if (asks && token_origin !== origin && addressOf(input)?.origin === origin)
            return note(new Error(say('mcp-discovery')))
          sent ||= asks
          const response = await send(input, { ...init, signal }).catch(note)
          if (asks) answer = response.clone()
          return response
        },
      })
    } catch (error) {
      failure ??= error
    }
    const result = fresh ?? answer
    if (result) return result as RefreshResult
    discovered = undefined
    // Before the token request nothing was spent.
    throw sent || failure === end
      ? failure
      : Object.assign(new Error(String(failure), { cause: failure }), { status: 503 })
  }
}
