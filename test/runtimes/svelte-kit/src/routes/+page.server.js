import { env } from '$env/dynamic/private'

export async function load({ locals: { api }, url }) {
  const ask = async (part) => {
    const response = await api(`${env.API}/api/items?id=${url.searchParams.get('id')}&part=${part}`)
    return response.ok ? (await response.json()).user : 'nobody'
  }
  return { users: await Promise.all([1, 2, 3].map(ask)) }
}
