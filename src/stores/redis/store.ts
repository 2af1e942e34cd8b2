import { newNonce, type SessionStore, type Stored } from '../../core/store.ts'
import { createAgain } from '../shared/again.ts'
import { createExclusive } from '../shared/exclusive.ts'
import { createNews } from '../shared/news.ts'
import { createClaim } from './claim.ts'
import { answered } from './connection.ts'
import { fieldsOf, isFilled, nameOf, recordOf } from './fields.ts'
import type { Home, Shared } from './home.ts'
import { FORGET, LOAD, SAVE } from './scripts.ts'

/** The store of one session: its record in Redis, and who may refresh it. */
export function createRedisStore(id: string, shared: Shared): SessionStore {
  const { connection, newsroom, clock, prefix, lease, ttl, keep, timeout } = shared
  const key = prefix + encode(id)
  const context = newNonce(clock)
  const run: Home['run'] = (script, args) =>
    answered(connection.run(script, key, args.map(String)), timeout, clock)
  const { learn, tell, report, watch, end } = createNews()
  let reading = Promise.resolve()
  let listening: Promise<unknown> | undefined
  /** Something was read after the subscription: nothing before it was missed. */
  let verified = false
  let closed = false

  const listener = {
    context,
    news() {
      reading = read()
    },
    wake() {
      // Whoever waits may hear first that there is nothing to wait for any more.
      void reading.then(exclusive.wake)
    },
  }

  const home: Home = { ...shared, key, context, run }
  const exclusive = createExclusive(clock, lease, ttl, (number) =>
    createClaim(number, home, { listen, recordIn, tell }),
  )

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

  const read = createAgain(async () => {
    try {
      tell(recordIn(await run(LOAD, [])))
    } catch {
      // The subscription is gone as well; when it is back, this is read again.
    }
  })

  function recordIn(fields: unknown): Stored | undefined {
    const stored = recordOf(fields)
    if (!stored && isFilled(fields)) report('Redis holds something else under this key')
    return stored
  }

  return {
    async load() {
      const said = exclusive.said()
      if (!said && listening && !verified) {
        verified = true
        await listening
      }
      const stored = said ? said.state : recordIn(await run(LOAD, []))
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
      const unwatch = watch(hear, degraded)
      void listen()
      return unwatch
    },

    close() {
      if (closed) return
      closed = true
      end()
      if (listening) newsroom.leave(key, listener)
    },
  }
}

/** Braces would choose the node of a cluster on which the session lives. */
function encode(id: string): string {
  return id.replace(/[%{}]/g, encodeURIComponent)
}
