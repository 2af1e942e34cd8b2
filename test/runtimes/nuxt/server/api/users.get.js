export default defineEventHandler(async (event) => {
  const ask = async (part) => {
    const { api } = event.context.visit
    const response = await api(`${process.env.API}/api/items?id=${getQuery(event).id}&part=${part}`)
    return response.ok ? (await response.json()).user : 'nobody'
  }
  return Promise.all([1, 2, 3].map(ask))
})
