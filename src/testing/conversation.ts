import type { IncomingMessage, ServerResponse } from 'node:http'

/** What a route answers with. */
export interface Answer {
  /** @default 200 */
  status?: number
  headers?: Record<string, string | readonly string[]>
  /** A string, bytes, or an async iterable of either is sent as it is; anything else as JSON. */
  body?: unknown
}

/** An {@link Answer} whose fate matters: tokens that were spent for an answer nobody got are gone. */
export interface TrackedAnswer extends Answer {
  /**
   * Called without `loss` when the answer was handed to the network, with it when the answer will not reach
   * the client: instead, or afterwards if the connection is reset before the client can have read it.
   */
  settled?: (loss?: string) => void
}

/** Where a request has come to. */
export type Route = 'token' | 'api' | 'other'

/** One request and its answer. */
export interface Conversation {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  cookie(name: string): string | undefined
  /** The whole body. Rejects if it is too long or the client hangs up. */
  body(): Promise<Buffer>
  send(answer: TrackedAnswer): Promise<void>
  /** Ends the connection without a word. */
  destroy(): void
}

/** The client hung up in the middle of its request: nobody is left to answer. */
export class HungUp extends Error {
  override name = 'HungUp'
}

export class BodyTooLong extends Error {
  override name = 'BodyTooLong'
}

/**
 * @param longestBody in bytes
 * @param onSent called when an answer that wants to know its fate was handed to the network
 */
export function createConversation(
  request: IncomingMessage,
  response: ServerResponse,
  longestBody: number,
  onSent: (settled: (loss: string) => void) => void,
): Conversation {
  const target = request.url ?? '/'
  const mark = target.indexOf('?')
  const method = request.method ?? 'GET'
  let body: Promise<Buffer> | undefined

  // Without a listener, a socket that dies takes the process with it.
  request.on('error', () => {})
  response.on('error', () => {})

  return {
    request,
    response,
    method,
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : target.slice(mark)),
    cookie(name) {
      for (const pair of request.headers.cookie?.split(';') ?? []) {
        const [key, ...value] = pair.trim().split('=')
        if (key === name) return value.join('=')
      }
      return undefined
    },
    body() {
      body ??= readBody(request, longestBody)
      return body
    },
    async send(answer) {
      if (response.destroyed || response.headersSent) return answer.settled?.('the client had hung up')
      const { settled } = answer
      if (settled) {
        response.once('finish', () => {
          settled()
          onSent(settled)
        })
      }
      for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value)
      response.statusCode = answer.status ?? 200
      await write(response, answer.body)
    },
    destroy() {
      request.socket.destroy()
    },
  }
}

async function write(response: ServerResponse, body: unknown): Promise<void> {
  if (isStream(body)) {
    for await (const chunk of body) {
      if (response.destroyed) return
      response.write(chunk)
    }
    response.end()
  } else if (body === undefined) {
    response.end()
  } else if (typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body)
  } else {
    if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(body))
  }
}

function isStream(body: unknown): body is AsyncIterable<string | Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body
}

function readBody(request: IncomingMessage, longest: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= longest) return chunks.push(chunk)
      chunks.length = 0
      reject(new BodyTooLong(`the request body is longer than ${longest} bytes`))
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    // After 'end' this changes nothing.
    request.once('close', () => reject(new HungUp('the client hung up before its request was complete')))
  })
}
