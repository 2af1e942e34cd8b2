import type { AxiosResponse } from 'axios'
import type { SessionResponse } from '../../core/request.ts'
import { isOneShot } from '../replay.ts'
import { isShortJson, LONGEST, readCopy, readJson } from '../short-json.ts'

/** The body as JSON, whatever form the caller has asked for. He gets it whole. */
export async function jsonOf(
  answer: Partial<AxiosResponse>,
  headers: SessionResponse['headers'],
): Promise<unknown> {
  const { data } = answer
  if (typeof data === 'string') return JSON.parse(data)
  const { size, byteLength = size, slice } = Object(data)
  const bytes = byteLength >= 0 && typeof slice === 'function'
  if (!bytes && !isOneShot(data)) return data
  if (!isShortJson(headers) || byteLength > LONGEST) return undefined
  if (bytes) return new Response(data).json()
  if (data.tee) {
    const [read, left] = data.tee()
    answer.data = left
    return readCopy(read)
  }
  const source = data[Symbol.asyncIterator]()
  const steps: Promise<IteratorResult<Uint8Array>>[] = []
  answer.data = data.constructor
    .from(
      (async function* () {
        // Also those that are still to come, where nobody has waited for the end of the reading.
        for (const step of steps) {
          const { done, value } = await step
          if (done) return
          yield value
        }
        yield* source
      })(),
      { objectMode: false },
    )
    // What was not begun to be read cannot be returned from.
    .on('close', () => data.destroy())
  return readJson(() => {
    const step = source.next()
    steps.push(step)
    return step
  })
}
