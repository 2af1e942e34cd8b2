import type { SessionEvent } from 'refresh-once'
import type { WebSocket } from 'ws'
import type { Hello, Order, Report } from './page/connection.ts'
import type { Actions } from './page/entry.ts'

/** Something that was written down by a page before it went on. */
export interface Note {
  readonly at: number
  readonly member: string
  readonly what: string
  readonly token?: string
}

/** A page, a frame or a worker. */
export interface Member {
  readonly id: string
  /** Does something there. Rejects if another page has come in its place before it has answered. */
  call<Name extends keyof Actions>(
    name: Name,
    ...args: Parameters<Actions[Name]>
  ): Promise<Awaited<ReturnType<Actions[Name]>>>
  /** The events of its session, in order. */
  readonly events: readonly { readonly type: string; readonly reason?: string }[]
  /** Resolves once its session has told `count` events of a type. */
  until(type: SessionEvent['type'] | 'waiting' | 'given-up', count?: number): Promise<void>
  /** Resolves once it has connected so many times; it does so again when it is restored. */
  untilConnected(count?: number): Promise<void>
  /** Whether it was restored from the back/forward cache when it connected last. */
  readonly restored: boolean
}

interface Call {
  order: Extract<Order, { call: number }>
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The test's end of the line to one context. */
export function createMember(
  id: string,
  note: (what: Pick<Note, 'what' | 'token'>) => void,
): { member: Member; connect(socket: WebSocket): void } {
  const calls = new Map<number, Call>()
  const events: { type: string; reason?: string }[] = []
  const looks = new Set<() => void>()
  /** The number of the last report of each page that has been here. */
  const heard = new Map<string, number>()
  /** Who is here. */
  let page = ''
  let connections = 0
  let numbers = 0
  let restored = false
  let socket: WebSocket | undefined

  function until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return
        looks.delete(look)
        resolve()
      }
      looks.add(look)
      look()
    })
  }

  function changed(): void {
    for (const look of [...looks]) look()
  }

  function settle(report: Extract<Report, { call: number }>): void {
    const call = calls.get(report.call)
    calls.delete(report.call)
    if ('error' in report) call?.reject(new Error(`${id}: ${report.error}`))
    else call?.resolve(report.value)
  }

  function lastOf(page: string): number {
    return heard.get(page) ?? 0
  }

  /** A page that comes back by another line is told again what it may not have been told: it does nothing twice. */
  function welcome(who: string, line: WebSocket): void {
    socket = line
    const isBack = who === page
    page = who
    for (const [call, { order, reject }] of calls) {
      if (isBack) send(line, order)
      else {
        calls.delete(call)
        reject(new Error(`${id} has ended`))
      }
    }
  }

  function send(line: WebSocket | undefined, order: Order): void {
    line?.send(JSON.stringify(order))
  }

  function receive(report: Report): void {
    if ('call' in report) settle(report)
    else if ('event' in report) events.push(report.event)
    else note(report.note as Pick<Note, 'what' | 'token'>)
  }

  return {
    connect(line) {
      let own = ''
      line.on('message', (data) => {
        const message = JSON.parse(String(data)) as Hello | Report
        if ('hello' in message) {
          own = message.hello.page
          restored = message.hello.restored
          connections++
          welcome(own, line)
        }
        // What may be lost is said again by the next line: it counts once, and in order.
        else if (message.number === lastOf(own) + 1) {
          heard.set(own, message.number)
          receive(message)
        }
        if (!('event' in message)) send(line, { heard: lastOf(own) })
        changed()
      })
    },
    member: {
      id,
      events,
      get restored() {
        return restored
      },
      until: (type, count = 1) => until(() => events.filter((event) => event.type === type).length >= count),
      untilConnected: (count = 1) => until(() => connections >= count),
      call: ((name, ...args) =>
        until(() => socket?.readyState === socket?.OPEN && connections > 0).then(
          () =>
            new Promise((resolve, reject) => {
              const call = ++numbers
              const order = { call, name, args }
              calls.set(call, { order, resolve, reject })
              send(socket, order)
            }),
        )) as Member['call'],
    },
  }
}
