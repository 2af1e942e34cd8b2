const app: { fetch: typeof fetch; url: string } = { fetch, url: '' }

/** Once, before the first call: what orval generates knows no instance. */
export function useFetch(authFetch: typeof fetch, url: string): void {
  Object.assign(app, { fetch: authFetch, url })
}

/** The mutator, named in `override.mutator` of orval's configuration. */
export async function call<T>(path: string, options: RequestInit): Promise<T> {
  const response = await app.fetch(`${app.url}${path}`, options)
  if (!response.ok) throw response
  return { data: await response.json(), status: response.status, headers: response.headers } as T
}
