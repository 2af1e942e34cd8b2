/** workerd: what is given is the body of a request, and the results are that of the answer. */
import { run } from './run.mjs'

export default {
  async fetch(request) {
    return Response.json(await run(await request.json()))
  },
}
