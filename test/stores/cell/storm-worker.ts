/** One of the processes that share a session in somebody else's engine. It does what the driver tells it. */
import pg from 'pg'
import { createSession } from 'refresh-once'
import { cellStore } from 'refresh-once/cell'
import { withSession } from 'refresh-once/fetch'
import { postgresCells } from '../../../examples/stores/postgres.ts'
import { upstashCells } from '../../../examples/stores/upstash.ts'
import type { Reach } from './storm.ts'

const { reach, api, tokenEndpoint } = JSON.parse(String(process.argv[2])) as {
  reach: Reach
  api: string
  tokenEndpoint: string
}
const pool = reach.engine === 'postgres' ? new pg.Pool({ connectionString: reach.url, max: 3 }) : undefined
pool?.on('error', () => {})
const cells = reach.engine === 'postgres' && pool ? postgresCells(pool) : upstashCells(reach as never)
const session = createSession({
  store: cellStore(cells('alice'), { ttl: 2_000 }),
  tokens: null,
  deadline: 60_000,
  async refresh({ tokens, signal }) {
    const body = new URLSearchParams({ grant_type: 'refresh_token' })
    body.set('refresh_token', tokens?.refreshToken ?? '')
    return fetch(tokenEndpoint, { method: 'POST', body, signal })
  },
})
session.observe((event) => {
  if (event.type === 'signed-out') process.send?.({ heard: 'signed-out' })
})
const call = withSession(session, { origins: [api] })

process.on('message', async ({ calls }: { calls: number }) => {
  const statuses = await Promise.all(
    Array.from({ length: calls }, () =>
      call(`${api}/api/items`).then(
        ({ status }) => String(status),
        (error) => String(error),
      ),
    ),
  )
  process.send?.({ statuses })
})
process.on('disconnect', async () => {
  session.close()
  await pool?.end()
  process.exit()
})
await session.getAccessToken().catch(() => {})
process.send?.({ statuses: [] })
