/** Workers that share sessions in durable objects; each service has an isolate of its own. */
import { createSession } from 'refresh-once'
import { cellStore } from 'refresh-once/cell'
import { withSession } from 'refresh-once/fetch'
import { durableCells, type SessionCell } from '../../../examples/stores/durable-object.ts'
import { storeContract } from '../../../src/testing/store-contract.ts'

export { SessionCell } from '../../../examples/stores/durable-object.ts'

interface Env {
  CELLS: DurableObjectNamespace<SessionCell>
}

/** What the test asks for. */
export type Task =
  | { check: number }
  | { user: string; api: string; tokenEndpoint: string; calls?: number; tokens?: object; signOut?: boolean }

export default {
  async fetch(request: Request, { CELLS }: Env): Promise<Response> {
    const task = (await request.json()) as Task
    const cells = durableCells(CELLS)
    try {
      if ('check' in task) {
        // Nobody tells a Worker of anything: it looks.
        const checks = storeContract((place, lease) => cellStore(cells(place), { lease, poll: 20 }))
        await checks[task.check]?.run()
        return Response.json({})
      }
      const { user, api, tokenEndpoint, calls = 0, tokens, signOut } = task
      const session = createSession({
        store: cellStore(cells(user), { ttl: 2_000 }),
        tokens: null,
        refresh({ tokens, signal }) {
          const body = new URLSearchParams({ grant_type: 'refresh_token' })
          body.set('refresh_token', tokens?.refreshToken ?? '')
          return fetch(tokenEndpoint, { method: 'POST', body, signal })
        },
      })
      if (tokens) await session.signIn(tokens as never)
      const call = withSession(session, { origins: [api] })
      const answers = await Promise.all(
        Array.from({ length: calls }, () => call(`${api}/api/items`).then(({ status }) => status)),
      )
      if (signOut) await session.signOut()
      await session.getAccessToken().catch(() => {})
      const { status } = session.state
      session.close()
      return Response.json({ answers, status })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },
}
