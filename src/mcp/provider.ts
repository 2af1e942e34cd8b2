/** Tokens as the SDKs have them. */
export interface OAuthTokens {
  access_token: string
  refresh_token?: string
  [member: string]: unknown
}

/** Those methods of a provider that are ours to know. */
export interface OAuthProvider {
  redirectUrl?: unknown
  tokens(...rest: unknown[]): unknown
  saveTokens(tokens: unknown, ...rest: unknown[]): unknown
  codeVerifier?(): unknown
  clientInformation(...rest: unknown[]): unknown
  saveClientInformation?: unknown
  redirectToAuthorization(url: unknown): unknown
  addClientAuthentication?(...rest: unknown[]): unknown
  invalidateCredentials?(scope: string, ...rest: unknown[]): unknown
  discoveryState?(): unknown
  dpop?: unknown
}

/** `provider` with other methods. Its own are called on itself: they may use private fields. */
export function overlay<Provider extends object>(
  provider: Provider,
  methods: Record<string, unknown>,
): Provider {
  // Not of the provider itself: of one that is frozen a Proxy may tell nothing else.
  return new Proxy(Object.create(provider) as Provider, {
    get(_, name) {
      const value = Object.hasOwn(methods, name) ? methods[name as string] : provider[name as keyof Provider]
      return typeof value === 'function' ? value.bind(provider) : value
    },
  })
}
