import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { BodyTooLong, type Conversation, createConversation, HungUp } from './conversation.ts'

export interface LoopbackOptions {
  /** Zero: any port that is free. */
  port: number
  /** In bytes. */
  longestBody: number
  serve: (conversation: Conversation) => Promise<void>
}

export interface Loopback {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Ends every connection, idle or not. */
  close(): Promise<void>
}

/** Listens on the loopback interface. Clients may die at any moment; the server does not. */
export async function listenOnLoopback({ port, longestBody, serve }: LoopbackOptions): Promise<Loopback> {
  // A connection that is reset after an answer, and before the next request, was closed with bytes unread.
  const unread = new WeakMap<Socket, (loss: string) => void>()

  // A client that reuses an idle connection must not lose against a timeout of ours.
  const http = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const { socket } = request
    unread.delete(socket)
    const conversation = createConversation(request, response, longestBody, (settled) =>
      unread.set(socket, settled),
    )
    serve(conversation)
      .catch((error: unknown) => fail(conversation, error))
      .catch(() => conversation.destroy())
  })
  http.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET') unread.get(socket)?.('the connection was reset before it was read')
    socket.destroy()
  })

  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, '127.0.0.1', resolve)
  })

  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
}

async function fail(conversation: Conversation, error: unknown): Promise<void> {
  if (error instanceof HungUp) return
  if (conversation.response.headersSent) return conversation.destroy()
  const status = error instanceof BodyTooLong ? 413 : 500
  await conversation.send({ status, headers: { connection: 'close' }, body: { error: String(error) } })
}
