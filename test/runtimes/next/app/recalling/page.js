import { cookies } from 'next/headers'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'

/** With recall each request has a signal, and fetch with a signal is not deduplicated. */
export default async function Page() {
  const accessToken = (await cookies()).get('token').value
  const session = createSession({ tokens: { accessToken }, refresh: () => undefined, recall: 'safe' })
  const api = withSession(session, { origins: [process.env.API] })
  const item = async () => (await api(`${process.env.API}/api/items?id=recalled`)).json()
  const [{ user }] = await Promise.all([item(), item()])
  return <b>{`page of ${user}`}</b>
}
