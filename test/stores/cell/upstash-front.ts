/**
 * The REST protocol of Upstash in front of a Redis, as its documentation has it, as far as cells use it: a command as a JSON
 * array, or several of them in a pipeline, answers in base64 where the client asks for it, subscriptions as server-sent events, and a token.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from 'redis'

export interface UpstashFront {
  readonly url: string
  readonly token: string
  /** Commands so far. */
  readonly commands: number
  /** As a service does that is deployed anew. */
  endSubscriptions(): void
  close(): Promise<void>
}

export async function startUpstash(redisUrl: string): Promise<UpstashFront> {
  const token = 'rest-token-0123456789'
  const client = await createClient({ url: redisUrl }).connect()
  const subscribers = new Set<() => void>()
  let commands = 0

  async function execute(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (request.headers.authorization !== `Bearer ${token}`) return answer(401, { error: 'Unauthorized' })
    const [name, channel = ''] = String(request.url).slice(1).split('/').map(decodeURIComponent)
    if (name === 'subscribe') return subscribe(channel, response)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body: unknown[] = JSON.parse(Buffer.concat(chunks).toString())
    const base64 = request.headers['upstash-encoding'] === 'base64'
    if (name === 'pipeline') {
      const results = []
      for (const command of body) results.push(await run(command as unknown[], base64))
      return answer(200, results)
    }
    const result = await run(body, base64)
    answer('error' in result ? 400 : 200, result)
  }

  async function run(command: unknown[], base64: boolean): Promise<object> {
    commands++
    try {
      const result: unknown = await client.sendCommand(command.map(String))
      return { result: base64 ? encoded(result) : result }
    } catch (error) {
      return { error: error instanceof Error ? error.message : 'ERR' }
    }
  }

  async function subscribe(channel: string, response: ServerResponse): Promise<void> {
    const listening = await client.duplicate().connect()
    const end = (): void => {
      subscribers.delete(end)
      listening.destroy()
      response.end()
    }
    subscribers.add(end)
    response.once('close', end)
    // Not before it was said that it has begun: the client takes that for the beginning of the stream.
    const subscribed = listening.subscribe(channel, async (message) => {
      await subscribed
      response.write(`data: message,${channel},${message}\n\n`)
    })
    await subscribed
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: subscribe,${channel},1\n\n`)
  }

  const endSubscriptions = (): void => {
    for (const end of [...subscribers]) end()
  }

  const server = createServer((request, response) => {
    execute(request, response).catch(() => response.destroy())
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    get commands() {
      return commands
    },
    endSubscriptions,
    async close() {
      endSubscriptions()
      server.closeAllConnections()
      server.close()
      client.destroy()
    },
  }
}

function encoded(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(encoded)
  return typeof result === 'string' && result !== 'OK' ? Buffer.from(result).toString('base64') : result
}
