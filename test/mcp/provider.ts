/** A provider as the SDKs' examples have it: in memory, with registration. */
export class AppProvider {
  // Private, as in apps: a Proxy that calls its methods on itself would fail.
  readonly #redirectUrl = 'http://127.0.0.1:1/callback'
  /** The pages that were opened. */
  readonly pages: URL[] = []
  readonly scope: string | undefined
  client: never | undefined
  kept: { access_token: string; refresh_token?: string; [member: string]: unknown } | undefined
  verifier = ''

  constructor(scope?: string) {
    this.scope = scope
  }

  get redirectUrl(): string {
    return this.#redirectUrl
  }

  get clientMetadata() {
    return {
      client_name: 'app',
      redirect_uris: [this.#redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
      ...(this.scope && { scope: this.scope }),
    }
  }

  clientInformation(): never {
    return this.client as never
  }

  saveClientInformation(client: unknown): void {
    this.client = client as never
  }

  isClientInformationDynamicallyRegistered(): boolean {
    return true
  }

  tokens(): never {
    return this.kept as never
  }

  saveTokens(tokens: object): void {
    this.kept = tokens as never
  }

  redirectToAuthorization(page: URL): void {
    this.pages.push(page)
  }

  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier
  }

  codeVerifier(): string {
    return this.verifier
  }

  invalidateCredentials(scope: string): void {
    if (scope === 'all' || scope === 'client') this.client = undefined
    if (scope === 'all' || scope === 'tokens') this.kept = undefined
  }
}
