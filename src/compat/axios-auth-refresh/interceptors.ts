import type { InternalAxiosRequestConfig } from 'axios'

type Config = InternalAxiosRequestConfig

/** Interceptors, as all versions of axios have them, and their types do not tell. */
interface Handler {
  fulfilled?: ((value: never) => unknown) | null
  rejected?: ((error: unknown) => unknown) | null
  runWhen?: ((config: Config) => boolean) | null
}

export function handlersOf(manager: object): Handler[] {
  const handlers: Handler[] = []
  ;(manager as { forEach(look: (handler: Handler) => void): void }).forEach((handler) => {
    handlers.push(handler)
  })
  return handlers
}

/** Of what `attachSession` has put there. */
export const sessionOf = (fulfilled: unknown): unknown => Object(fulfilled).session

/** What the request interceptors of the app make of a request, in the order of axios: the last comes first. */
export function intercepted(config: Config, manager: object, own: unknown): Promise<Config> {
  return handlersOf(manager)
    .filter(({ fulfilled, runWhen }) => {
      const ours = fulfilled === own || sessionOf(fulfilled)
      return !ours && runWhen?.(config) !== false
    })
    .reduceRight<Promise<Config>>(
      (before, { fulfilled, rejected }) => before.then(fulfilled as never, rejected) as Promise<Config>,
      Promise.resolve(config),
    )
}
