import { cookies } from 'next/headers'
import { cache } from 'react'
import { visitors } from './visitors.js'

/** One session for one rendering. */
const apiOfThisRendering = cache(async () => visitors.reader(await cookies()))

export async function item(id) {
  const api = await apiOfThisRendering()
  const response = await api(`${process.env.API}/api/items?id=${id}`)
  return response.ok ? response.json() : { user: 'nobody' }
}
