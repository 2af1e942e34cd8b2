import { cookies } from 'next/headers'
import { visitors } from '../../visitors.js'

async function add() {
  'use server'
  await visitors.act(await cookies(), (api) => api(`${process.env.API}/api/items?id=added`))
}

export default function Page() {
  return (
    <form action={add}>
      <button type="submit">add</button>
    </form>
  )
}
