import { isNews, newNonce, type SessionStore, type Stored } from '../../core/store.ts'
import { within } from './connection.ts'
import { createExclusive } from './exclusive.ts'
import { fieldsOf, isFilled, nameOf, recordOf } from './fields.ts'
import type { Home, Shared } from './home.ts'
import { FORGET, LOAD, SAVE } from './scripts.ts'

type Hear = (stored: Stored) => void

/** The store of one session: its record in Redis, and who may refresh it. */
export function createRedisStore(id: string, shared: Shared): SessionStore {
  const { connection, newsroom, clock, prefix, keep, timeout } = shared
  const key = prefix + encode(id)
  const context = newNonce(clock)
  const run: Home['run'] = (script, args) =>
    within(connection.run(script, key, args.map(String)), timeout, clock)
  /** The newest record that this context was given, or gave. */
  let known: Stored | undefined
  let hearers: readonly Hear[] = []
  let report: (reason: string) => void = () => {}
  let reading: Promise<void> | undefined
  let readAgain = false
  let listening: Promise<unknown> | undefined
  /** Something was read after the subscription: nothing before it was missed. */
  let verified = false
  let closed = false

  const listener = {
    context,
    news() {
      readAgain = true
      reading ??= read()
    },
    wake() {
      // Whoever waits may hear first that there is nothing to wait for any more.
      if (reading) void reading.then(exclusive.wake)
      else exclusive.wake()
    },
  }

  const exclusive = createExclusive({ ...shared, key, context, run }, { listen, recordIn, tell })

  function listen(): Promise<unknown> {
    if (listening || closed) return listening ?? Promise.resolve()
    const joined = newsroom.join(key, listener)
    listening = joined.catch(() => {
      report('Redis is not available: what others do is not heard for now')
    })
    joined.then(
      () => {
        if (!verified) listener.news()
      },
      () => {},
    )
    return listening
  }

  async function read(): Promise<void> {
    while (readAgain) {
      readAgain = false
      try {
        tell(recordIn(await run(LOAD, [])))
      } catch {
        // The subscription is gone as well; when it is back, this is read again.
      }
    }
    reading = undefined
  }

  function recordIn(fields: unknown): Stored | undefined {
    const stored = recordOf(fields)
    if (!stored && isFilled(fields)) report('Redis holds something else under this key')
    return stored
  }

  function tell(stored: Stored | undefined): void {
    if (!stored || !isNews(stored, known)) return
    learn(stored)
    for (const hear of hearers) hear(stored)
  }

  function learn(stored: Stored): Stored {
    if (isNews(stored, known)) known = stored
    return stored
  }

  return {
    async load() {
      const said = exclusive.said()
      if (!said && listening && !verified) {
        verified = true
        await listening
      }
      const stored = said ? said.record : recordIn(await run(LOAD, []))
      return stored && learn(stored)
    },

    async save(next) {
      const put = () => run(SAVE, [key, context, keep, ...fieldsOf(next)])
      const fields = await put()
      let stored = recordIn(fields)
      if (!stored && isFilled(fields)) {
        await run(FORGET, nameOf(fields))
        stored = recordOf(await put())
      }
      return learn(stored ?? next)
    },

    exclusive: exclusive.run,

    watch(hear, degraded) {
      hearers = [...hearers, hear]
      if (degraded) report = degraded
      void listen()
      return () => {
        hearers = hearers.filter((other) => other !== hear)
      }
    },

    close() {
      if (closed) return
      closed = true
      hearers = []
      if (listening) newsroom.leave(key, listener)
    },
  }
}

/** Braces would choose the node of a cluster on which the session lives. */
function encode(id: string): string {
  return id.replace(/[%{}]/g, encodeURIComponent)
}
