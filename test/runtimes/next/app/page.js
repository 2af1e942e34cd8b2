import { item } from '../reader.js'

export default async function Page() {
  const [{ user, generation }] = await Promise.all([item('shared'), item('shared')])
  return <b>{`page of ${user}, ${generation}`}</b>
}
