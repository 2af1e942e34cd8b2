import type { Pool, PoolClient } from 'pg'
import type { Cell } from 'refresh-once/cell'

/** Once, with your other migrations. No `jsonb`: a text has to come back as it was written. */
export const TABLE = `
  CREATE TABLE IF NOT EXISTS sessions (
    id text PRIMARY KEY,
    state text NOT NULL,
    changed timestamptz NOT NULL DEFAULT now()
  )`

const READ = 'SELECT state FROM sessions WHERE id = $1'

/** In one statement: who comes second waits for the row, and then finds another text in it. */
const replace = (write: string) =>
  `WITH done AS (${write} RETURNING id)
   SELECT CASE WHEN $3 <> '' THEN pg_notify('sessions', $3) END FROM done`

const FIRST = replace('INSERT INTO sessions (id, state) VALUES ($1, $2) ON CONFLICT DO NOTHING')
const NEXT = replace('UPDATE sessions SET state = $2, changed = now() WHERE id = $1 AND state = $4')

/** A cell for each session: a row. One connection of the pool listens for all of them. */
export function postgresCells(pool: Pool): (id: string) => Cell {
  const watches = new Map<string, Set<() => void>>()
  let listener: PoolClient | undefined
  let listening = false

  async function listen(): Promise<void> {
    listening = true
    try {
      const client = await pool.connect()
      client.on('notification', ({ payload = '' }) => {
        for (const changed of watches.get(payload) ?? []) changed()
      })
      client.on('error', () => {
        if (listener !== client) return
        client.release(true)
        listener = undefined
        listenAgain()
      })
      listener = client
      await client.query('LISTEN sessions')
      // What was said before that was not heard.
      for (const all of watches.values()) for (const changed of all) changed()
    } catch {
      listener?.release(true)
      listener = undefined
      listenAgain()
    }
    leave()
  }

  function listenAgain(): void {
    setTimeout(() => (watches.size > 0 ? void listen() : leave()), 1_000).unref()
  }

  /** A connection that has listened is not given back: it would go on. */
  function leave(): void {
    if (watches.size > 0) return
    listener?.release(true)
    listener = undefined
    listening = false
  }

  return (id) => {
    // It refuses what would be one row for two ids: half a surrogate pair.
    const name = encodeURIComponent(id)
    return {
      async read() {
        const { rows } = await pool.query(READ, [name])
        return rows[0]?.state
      },
      async replace(before, after, told) {
        const values = [name, after, told ? name : '']
        const { rowCount } = await (before === undefined
          ? pool.query(FIRST, values)
          : pool.query(NEXT, [...values, before]))
        return rowCount === 1
      },
      watch(changed) {
        const all = watches.get(name) ?? new Set()
        watches.set(name, all.add(changed))
        if (!listening) void listen()
        return () => {
          all.delete(changed)
          if (all.size === 0) watches.delete(name)
          leave()
        }
      },
    }
  }
}
