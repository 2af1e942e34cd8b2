import { letGo } from './replay.ts'

/** What says that a request failed is short: 64 kB. */
export const LONGEST: number = 2 ** 16

/** JSON, and its relatives with a plus. One of them is no value but a stream of them. */
const JSON_TYPE = /^(application|text)\/(?!stream)([\w.-]+\+)?json *(;|$)/i

/**
 * Whether a body may be read before its caller gets it, by its headers: it is JSON, and not known to be long. A
 * download would be read twice, and what streams ends when the conversation does.
 */
export function isShortJson(headers: { get(name: string): unknown }): boolean {
  return (
    JSON_TYPE.test(`${headers.get('content-type')}`) && !(Number(headers.get('content-length')) > LONGEST)
  )
}

/** One step of a reader, or of an iterator. */
type Next = () => Promise<{ done?: boolean | undefined; value?: Uint8Array | undefined }>

/** The JSON that chunks are made of, unless they are too many. */
export async function readJson(next: Next): Promise<unknown> {
  const decoder = new TextDecoder()
  for (let text = ''; text.length <= LONGEST; ) {
    const { done, value } = await next()
    if (done) return JSON.parse(text + decoder.decode())
    text += decoder.decode(value, { stream: true })
  }
  return undefined
}

/** The same of a copy of a body, which is let go of. Node's streams are iterated. */
export async function readCopy(body: ReadableStream<Uint8Array>): Promise<unknown> {
  const { getReader, [Symbol.asyncIterator]: iterate } = body
  const reader = (getReader ?? iterate).call(body) as unknown as { read?: Next; next: Next }
  const next = reader.read ?? reader.next
  try {
    return await readJson(() => next.call(reader))
  } finally {
    letGo(reader)
  }
}
