import { type Clock, idly } from '../../core/clock.ts'
import { keepTrying } from '../../core/keep-trying.ts'
import { answered, type Connection, type Subscriber } from './connection.ts'

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
  ready: Promise<unknown>
}

/** Milliseconds after which a subscription is tried again for the first time. */
const FIRST = 200

/** Later than that it is the client who has found out that the connection is dead, and makes another. */
const TRIES = 8

/** How many sessions are read at once after the connection was lost. */
const AT_ONCE = 64

/**
 * The subscriptions of one client. Their connection lasts from the first listener to the end of the client.
 *
 * Messages are hints: they say who has saved, or freed, and never what. Else whoever can write to a channel could
 * sign people in. What a lost connection may have kept from us is read again when it is back.
 */
export function createNewsroom({ subscribe }: Connection, clock: Clock, timeout: number): Newsroom {
  const channels = new Map<string, Channel>()
  /** The last thing that was asked of a channel, where it has not been answered yet. */
  const line = new Map<string, Promise<unknown>>()
  const insisting = new Set<string>()
  let subscriber: Subscriber | undefined
  let connections = 0

  function open(): Subscriber {
    const opened = subscribe({ heard, connected, ended })
    // The client was closed, and is back: those who are there have missed all that was said meanwhile.
    for (const name of channels.keys()) void restore(name)
    return opened
  }

  /**
   * One thing at a time for each channel. Where one leaves and another comes at the same moment, their UNSUBSCRIBE and
   * SUBSCRIBE would overlap, and clients then disagree with the server about what is heard.
   */
  function inTurn(name: string, work: () => Promise<unknown> | undefined): Promise<unknown> {
    // One that is never answered must not stand in the way of the next for ever.
    const ask = async () => {
      const asked = Promise.resolve(work())
      try {
        return await answered(asked, timeout, clock)
      } catch (error) {
        asked.then(
          () => tell(name),
          () => {},
        )
        throw error
      }
    }
    const done = (line.get(name) ?? Promise.resolve()).then(ask, ask)
    line.set(name, done)
    const forget = (): void => {
      if (line.get(name) === done) line.delete(name)
    }
    done.then(forget, forget)
    return done
  }

  function add(name: string): Promise<unknown> {
    return inTurn(name, () => {
      if (!subscriber) throw new Error('the client was closed')
      // Whoever came has left again, and nobody has come after.
      return channels.has(name) ? subscriber.add(name) : undefined
    })
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
      await Promise.allSettled(names.slice(at, at + AT_ONCE).map(restore))
    }
  }

  function restore(name: string): Promise<void> {
    return verify(name).catch(() => void insist(name))
  }

  /** Nothing is heard for now: it is tried again, as long as somebody listens. */
  async function insist(name: string): Promise<void> {
    if (insisting.has(name)) return
    insisting.add(name)
    let tries = 0
    // Also when it is there for the first time.
    connections ||= 1
    // A process that has nothing else to do is not kept alive.
    const pause = (ms: number) => new Promise<void>((resolve) => void idly(clock, resolve, ms))
    await keepTrying(pause, FIRST, async () => {
      if (!channels.has(name) || ++tries > TRIES) return false
      return verify(name).then(
        () => false,
        () => true,
      )
    })
    insisting.delete(name)
  }

  /** Some clients subscribe again only after they have said that they are connected: what is read comes after. */
  async function verify(name: string): Promise<void> {
    await add(name)
    tell(name)
  }

  /** Something may have been missed until now. */
  function tell(name: string): void {
    for (const { news, wake } of channels.get(name)?.listeners ?? []) {
      news()
      wake()
    }
  }

  function ended(): void {
    subscriber?.close()
    subscriber = undefined
    connections = 0
    line.clear()
  }

  return {
    join(name, listener) {
      subscriber ??= open()
      let channel = channels.get(name)
      if (!channel) {
        channel = { listeners: [], ready: Promise.resolve() }
        channels.set(name, channel)
        channel.ready = add(name)
        channel.ready.catch(() => insist(name))
      }
      channel.listeners.push(listener)
      return channel.ready
    },
    leave(name, listener) {
      const listeners = channels.get(name)?.listeners ?? []
      listeners.splice(listeners.indexOf(listener), 1)
      if (listeners.length) return
      channels.delete(name)
      // Unless somebody has come before it was its turn: he listens already.
      inTurn(name, () => (channels.has(name) ? undefined : subscriber?.remove(name))).catch(() => {})
    },
  }
}
