/** The line between a page, or a worker, and the test. */

/** From the test to the page. */
export type Order = { call: number; name: string; args: readonly unknown[] } | { noted: number }

/** From the page to the test. */
export type Report =
  | { hello: { restored: boolean } }
  | { call: number; value: unknown }
  | { call: number; error: string }
  | { event: { type: string } }
  | { note: number; what: object }

let socket: WebSocket
let notes = 0
const waiting = new Map<number, () => void>()

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
    report({ hello: { restored } })
  }
  socket.onmessage = async ({ data }) => {
    const order = JSON.parse(data) as Order
    if ('noted' in order) return waiting.get(order.noted)?.()
    const { call, name, args } = order
    try {
      const action = actions[name as keyof typeof actions] as (...args: readonly unknown[]) => unknown
      report({ call, value: (await action(...args)) ?? null })
    } catch (error) {
      report({ call, error: String(error) })
    }
  }
}

function report(message: Report): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
}

/** Tells the test of something that has happened. */
export function tell(event: { type: string }): void {
  report({ event })
}

/** Writes into the test's journal, which outlives the page. Resolves once it is there. */
export function note(what: object): Promise<void> {
  const number = ++notes
  report({ note: number, what })
  return new Promise((resolve) => waiting.set(number, resolve))
}
