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
  const { size, byteLength = size, arrayBuffer } = Object(data)
  const bytes = byteLength >= 0 && (size === undefined || typeof arrayBuffer === 'function')
  const stream = isOneShot(data)
  if (!bytes && !stream) return data
  if (!isShortJson(headers) || byteLength > LONGEST) return undefined
  if (bytes) return new Response(data).json()
  if (data.tee) {
    const [read, left] = data.tee()
    answer.data = left
    return readCopy(read)
  }
  const source = data[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  let failure: { error: unknown } | undefined
  answer.data = data.constructor.from(
    (async function* () {
      yield* chunks
      if (failure) throw failure.error
      yield* source
    })(),
    { objectMode: false },
  )
  return readJson(async () => {
    try {
      const step = await source.next()
      if (!step.done) chunks.push(step.value)
      return step
    } catch (error) {
      failure = { error }
      throw error
    }
  })
}
