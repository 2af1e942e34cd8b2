import type { Connection, Subscriber } from './connection.ts'

/** One context that listens to one session. */
interface Listener {
  /** What it signs its own messages with. */
  readonly context: string
  /** Somebody else has saved news. */
  news(): void
  /** The turn may be free, or messages may have been missed: look again. */
  wake(): void
}

/** Where all stores of one client listen, over one connection. */
export interface Newsroom {
  /** Resolves once nothing that is published from now on is missed. */
  join(channel: string, listener: Listener): Promise<unknown>
  leave(channel: string, listener: Listener): void
}

interface Channel {
  readonly listeners: Listener[]
  readonly ready: Promise<unknown>
}

/** How many sessions are read at once after the connection was lost. */
const AT_ONCE = 64

/**
 * The subscriptions of one client. Their connection lasts from the first listener to the end of the client.
 *
 * Messages are hints: they say who has saved, or freed, and never what. Else whoever can write to a channel could
 * sign people in. What a lost connection may have kept from us is read again when it is back.
 */
export function createNewsroom({ subscribe }: Connection): Newsroom {
  const channels = new Map<string, Channel>()
  let subscriber: Subscriber | undefined
  let connections = 0

  function open(): Subscriber {
    const opened = subscribe({ heard, connected, ended })
    for (const name of channels.keys()) opened.add(name).catch(() => {})
    return opened
  }

  function heard(name: string, message: string): void {
    const [sender, what] = message.split(' ')
    for (const listener of channels.get(name)?.listeners ?? []) {
      if (listener.context === sender) continue
      if (what === 'saved') listener.news()
      else listener.wake()
    }
  }

  async function connected(): Promise<void> {
    if (!connections++) return
    const names = [...channels.keys()]
    for (let at = 0; at < names.length; at += AT_ONCE) {
      await Promise.allSettled(names.slice(at, at + AT_ONCE).map(verify))
    }
  }

  /** Some clients subscribe again only after they have said that they are connected: what is read comes after. */
  async function verify(name: string): Promise<void> {
    await subscriber?.add(name)
    for (const { news, wake } of channels.get(name)?.listeners ?? []) {
      news()
      wake()
    }
  }

  function ended(): void {
    subscriber?.close()
    subscriber = undefined
    connections = 0
  }

  return {
    join(name, listener) {
      subscriber ??= open()
      let channel = channels.get(name)
      if (!channel) {
        channel = { listeners: [], ready: subscriber.add(name) }
        channels.set(name, channel)
        // Whoever waits for it is told; nobody else has to be.
        channel.ready.catch(() => {})
      }
      channel.listeners.push(listener)
      return channel.ready
    },
    leave(name, listener) {
      const listeners = channels.get(name)?.listeners ?? []
      listeners.splice(listeners.indexOf(listener), 1)
      if (listeners.length) return
      channels.delete(name)
      subscriber?.remove(name).catch(() => {})
    },
  }
}
