import { visitors } from '../../visitors.js'

export const config = { runtime: 'edge' }

export default function handler(request) {
  return visitors.handle(request, async (api) => {
    const response = await api(`${process.env.API}/api/items?id=edge`)
    const { user, generation } = await response.json()
    return Response.json({ user, generation, runtime: globalThis.EdgeRuntime ?? 'node' })
  })
}
