import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
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
