import { createLine } from '../core/line.ts'

export type Line = ReturnType<typeof createLine>

/** Sessions that have a provider in common have its client, its verifier and its tokens in common. */
const lines = new WeakMap<object, readonly [logins: Line, refreshes: Line]>()

/** Who waits for whom, by provider: it alone knows all who use it. */
export function linesOf(provider: object): readonly [logins: Line, refreshes: Line] {
  const known = lines.get(provider) ?? ([createLine(), createLine()] as const)
  lines.set(provider, known)
  return known
}
