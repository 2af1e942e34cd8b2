/** The line between a page, or a worker, and the test. */

/** From the test to the page; `heard` is the number of the last report that has come. */
export type Order = { call: number; name: string; args: readonly unknown[] } | { heard: number }

/** The first that is said on a line. The document, or the worker, is the same as long as `page` is. */
export interface Hello {
  hello: { page: string; restored: boolean }
}

/** From the page to the test. Reports are numbered, for they may be said twice. */
export type Report = { number: number } & (
  | { call: number; value: unknown }
  | { call: number; error: string }
  | { event: { type: string } }
  | { note: object }
)

type Unnumbered<T> = T extends unknown ? Omit<T, 'number'> : never

const page = String(Math.random())
let socket: WebSocket
/** The number of the last order that was taken: a line that is cut takes orders along, too, and they come again. */
let taken = 0
let reports = 0
/** What the test may not have heard: a line that is cut takes along what was said last. */
const unheard = new Map<number, { report: object; done: () => void }>()

/** Connects to the test, and does what it asks. */
export function connect(actions: object): void {
  open(actions, false)
  // An open socket would keep the page out of the back/forward cache.
  addEventListener('pagehide', () => {
    socket.onclose = null
    socket.close()
  })
  addEventListener('pageshow', (event) => {
    if ((event as PageTransitionEvent).persisted) open(actions, true)
  })
}

/** How the test calls this context; and where the test is, if the script came from elsewhere. */
function whoIsHere(): { id: string | null; host?: string } {
  const { here } = globalThis as { here?: { id: string; host: string } }
  return here ?? { id: new URLSearchParams(location.search).get('id') }
}

function open(actions: object, restored: boolean): void {
  const { id, host = location.host } = whoIsHere()
  socket = new WebSocket(`ws://${host}/?id=${id}`)
  socket.onopen = () => {
    // Chromium takes the line from a page that is frozen.
    socket.onclose = () => open(actions, false)
    send({ hello: { page, restored } } satisfies Hello)
    for (const { report } of unheard.values()) send(report)
  }
  socket.onmessage = async ({ data }) => {
    const order = JSON.parse(data) as Order
    if ('heard' in order) return forget(order.heard)
    const { call, name, args } = order
    if (call <= taken) return
    taken = call
    try {
      const action = actions[name as keyof typeof actions] as (...args: readonly unknown[]) => unknown
      report({ call, value: (await action(...args)) ?? null })
    } catch (error) {
      report({ call, error: String(error) })
    }
  }
}

function report(what: Unnumbered<Report>, done = () => {}): void {
  const report = { number: ++reports, ...what }
  unheard.set(report.number, { report, done })
  send(report)
}

/** Into a line that is not open nothing is said: once it is, everything is. */
function send(message: object): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
}

function forget(heard: number): void {
  for (const [number, { done }] of unheard) {
    if (number > heard) return
    unheard.delete(number)
    done()
  }
}

/** Tells the test of something that has happened. */
export function tell(event: { type: string }): void {
  report({ event })
}

/** Writes into the test's journal, which outlives the page. Resolves once it is there. */
export function note(what: object): Promise<void> {
  return new Promise((resolve) => report({ note: what }, resolve))
}
