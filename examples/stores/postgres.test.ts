import pg from 'pg'
import { createSession } from 'refresh-once'
import { cellStore } from 'refresh-once/cell'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../test/stores/cell/postgres-server.ts'
import { engineTests } from '../../test/stores/cell/storm.ts'
import { postgresCells, TABLE } from './postgres.ts'

let server: PostgresServer
let pool: pg.Pool
let cells: ReturnType<typeof postgresCells>
beforeAll(async () => {
  server = await startPostgres()
  pool = new pg.Pool({ connectionString: server.url, max: 5 })
  // As any program that has a pool: the server ends connections, too.
  pool.on('error', () => {})
  await pool.query(TABLE)
  cells = postgresCells(pool)
})
afterAll(async () => {
  await pool?.end()
  await server?.close()
})

engineTests(
  () => ({ engine: 'postgres', url: server.url }),
  () => cells,
)

test('the connection that listens is lost: what was missed is heard when there is another', async () => {
  const store = () => cellStore(cells('bob'))
  const refresh = () => 'never'
  const [session, other] = [
    createSession({ store: store(), refresh }),
    createSession({ store: store(), refresh }),
  ]
  await other.signIn('mine')
  expect(await session.getAccessToken()).toBe('mine')
  const heard = new Promise<void>((resolve) =>
    session.observe(({ type }) => type === 'signed-out' && resolve()),
  )
  const { rowCount } = await pool.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN sessions'",
  )
  expect(rowCount).toBeGreaterThan(0)
  await other.signOut()
  await heard
  expect(session.state.status).toBe('signed-out')
  session.close()
  other.close()
})
