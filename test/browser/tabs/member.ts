import type { SessionEvent } from 'refresh-once'
import type { WebSocket } from 'ws'
import type { Order, Report } from './page/connection.ts'
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
  /** Does something there. Rejects if the context ends before it has answered. */
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

  function send(order: Order): void {
    socket?.send(JSON.stringify(order))
  }

  function receive(report: Report): void {
    if ('call' in report) settle(report)
    else if ('event' in report) events.push(report.event)
    else if ('hello' in report) {
      restored = report.hello.restored
      connections++
    } else {
      note(report.what as Pick<Note, 'what' | 'token'>)
      send({ noted: report.note })
    }
    changed()
  }

  return {
    connect(next) {
      socket = next
      next.on('message', (data) => receive(JSON.parse(String(data)) as Report))
      next.on('close', () => {
        if (socket !== next) return
        for (const { reject } of calls.values()) reject(new Error(`${id} has ended`))
        calls.clear()
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
              calls.set(call, { resolve, reject })
              send({ call, name, args })
            }),
        )) as Member['call'],
    },
  }
}
