import { Hono } from 'hono'
import type { Bff } from './bff.ts'

/** For Node: `serve({ fetch: honoApp(bff).fetch, port })` of `@hono/node-server`. */
export function honoApp(bff: Bff): Hono {
  const app = new Hono()
  app.get('/bff/sign-in', ({ req }) => bff.signIn(req.raw))
  app.get('/bff/callback', ({ req }) => bff.callback(req.raw))
  app.get('/bff/session', ({ req }) => bff.session(req.raw))
  app.post('/bff/sign-out', ({ req }) => bff.signOut(req.raw))
  app.all('/api/*', ({ req }) => bff.proxy(req.raw))
  return app
}
