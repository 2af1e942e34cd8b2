import { session } from '../../in-the-page.js'
import { apiContext } from '../visitors.server.js'

export async function loader({ request, context }) {
  const api = context.get(apiContext)
  const id = new URL(request.url).searchParams.get('id')
  const ask = async (part) => {
    const response = await api(`${process.env.API}/api/items?id=${id}&part=${part}`)
    return response.ok ? (await response.json()).user : 'nobody'
  }
  return { users: await Promise.all([1, 2, 3].map(ask)) }
}

export default function Home({ loaderData }) {
  return <p>{`page of ${loaderData.users.join(', ')}; in the page: ${session.state.status}`}</p>
}
