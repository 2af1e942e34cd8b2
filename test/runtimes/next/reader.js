import { cookies } from 'next/headers'
import { cache } from 'react'
import { visitors } from './visitors.js'

/** One session for one rendering. */
const apiOfThisRendering = cache(async () => visitors.reader((await cookies()).get('visitor').value))

export async function item(id) {
  const api = await apiOfThisRendering()
  return (await api(`${process.env.API}/api/items?id=${id}`)).json()
}
