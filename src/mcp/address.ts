import { parse } from '../core/url.ts'

/** Where a request, a link or an option leads, if that is http or https. What is not whole is not read as the page's own. */
export function addressOf(input: unknown): URL | undefined {
  return parse(String(Object(input).url ?? input), 'about:blank')
}
