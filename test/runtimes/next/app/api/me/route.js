import { visitors } from '../../../visitors.js'

export function GET(request) {
  return visitors.handle(request, async (api) => {
    const response = await api(`${process.env.API}/api/items?id=me`)
    return Response.json(await response.json(), { status: response.status })
  })
}
