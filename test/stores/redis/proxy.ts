/** A TCP proxy in front of Redis: it cuts, loses replies, and leads elsewhere. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface RedisProxy {
  readonly url: string
  /** Where new connections lead from now on. */
  target: number
  /** Cuts every connection. */
  cut(): void
  /** Refuses connections and cuts those there are, until `restore`. */
  sever(): void
  restore(): void
  /**
   * Cuts the connection on which `text` is sent next, as soon as the server has answered: the command was executed, and
   * nobody hears of it. Resolves then.
   */
  loseReplyTo(text: string): Promise<void>
  close(): Promise<void>
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

export async function startProxy(port: number): Promise<RedisProxy> {
  const pairs = new Set<Pair>()
  const losses = new Set<{ text: string; lost: () => void }>()
  let severed = false
  let target = port

  const server = createServer((near) => {
    if (severed) {
      near.destroy()
      return
    }
    const far = connect(target, '127.0.0.1')
    const pair = { near, far }
    pairs.add(pair)
    let losing: (() => void) | undefined
    near.on('data', (chunk) => {
      for (const loss of losses) {
        if (!chunk.includes(loss.text)) continue
        losses.delete(loss)
        losing = loss.lost
      }
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      if (!losing) {
        near.write(chunk)
        return
      }
      near.destroy()
      losing()
    })
    const end = (): void => {
      near.destroy()
      far.destroy()
      pairs.delete(pair)
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const own = typeof address === 'object' && address ? address.port : 0

  function cut(): void {
    for (const { near, far } of pairs) {
      near.destroy()
      far.destroy()
    }
  }

  return {
    url: `redis://127.0.0.1:${own}`,
    get target() {
      return target
    },
    set target(port) {
      target = port
    },
    cut,
    sever() {
      severed = true
      cut()
    },
    restore() {
      severed = false
    },
    loseReplyTo: (text) => new Promise((lost) => losses.add({ text, lost })),
    async close() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
}
