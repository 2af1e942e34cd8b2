import type { Credentials } from '../core/request.ts'

/** Headers as a list, or by their names. */
export type Plain = [name: string, value: string][] | Record<string, string>

/** A copy: their owner may change them while the request is held. */
export function plainOf(headers: RequestInit['headers']): Plain | undefined {
  if (Array.isArray(headers)) return headers.map((pair) => [...pair] as [string, string])
  return headers && !(Symbol.iterator in headers) ? { ...(headers as Record<string, string>) } : undefined
}

/** Those headers with others in their place. */
export function withPlain(plain: Plain, set: Credentials['headers'] = {}): Plain {
  const names = Object.keys(set).map((name) => name.toLowerCase())
  const all = Array.isArray(plain) ? plain : Object.entries(plain)
  const left = all.filter(([name]) => !names.includes(name.toLowerCase()))
  for (const [name, value] of Object.entries(set)) if (value !== undefined) left.push([name, value])
  return Array.isArray(plain) ? left : Object.fromEntries(left)
}
