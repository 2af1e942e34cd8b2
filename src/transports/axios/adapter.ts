import { type AxiosAdapter, getAdapter } from 'axios'

/** `getAdapter` with all that it takes, which its type does not know. */
type FindAdapter = (adapters: unknown, config: unknown) => AxiosAdapter

/** What sends a request: that is told by itself, or by its name, or by several. */
export function findAdapter(own: unknown, config: unknown): AxiosAdapter {
  return typeof own === 'function' ? (own as AxiosAdapter) : (getAdapter as FindAdapter)(own, config)
}

/** The adapter of that name, where this runtime has it. */
export function adapterOf(name: string, config: unknown): AxiosAdapter | undefined {
  try {
    return findAdapter(name, config)
  } catch {
    return undefined
  }
}
