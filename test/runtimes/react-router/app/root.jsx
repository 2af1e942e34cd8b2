import { Outlet, Scripts } from 'react-router'
import { apiContext, visitors } from './visitors.server.js'

export const middleware = [
  ({ request, context }, next) =>
    visitors.serve(request, (api) => {
      context.set(apiContext, api)
      return next()
    }),
]

export default function Root() {
  return (
    <html lang="en">
      <body>
        <Outlet />
        <Scripts />
      </body>
    </html>
  )
}
