import { AxiosHeaders, type InternalAxiosRequestConfig } from 'axios'

type Headers = InternalAxiosRequestConfig['headers']

/** By name, what the last refresh has put into a header, and what has stood there before. */
export type Replaced = Map<string, { by: string; former: Set<unknown> }>

/** Values of one header that are remembered as replaced. */
const FORMER = 16

/** Takes over what the refresh has put into the headers of the request that led to it: into those of its caller, too. */
export function learn(
  replaced: Replaced,
  made: Headers | undefined,
  before: Record<string, unknown>,
  after: Headers,
): void {
  for (const [name, value] of Object.entries({ ...after }) as [string, string][]) {
    if (value === before[name]) continue
    made?.set(name, value)
    const { by, former } = replaced.get(name.toLowerCase()) ?? { by: value, former: new Set() }
    for (const old of [by, before[name]]) if (old !== undefined) former.add(old)
    former.delete(value)
    for (const old of former) if (former.size > FORMER) former.delete(old)
    replaced.set(name.toLowerCase(), { by: value, former })
  }
}

/** Headers without values that a refresh has replaced. */
export function renewed(headers: Headers, replaced: Replaced): Headers {
  if (!replaced.size) return headers
  const renewed = AxiosHeaders.concat(headers)
  for (const [name, { by, former }] of replaced) if (former.has(renewed.get(name))) renewed.set(name, by)
  return renewed
}
