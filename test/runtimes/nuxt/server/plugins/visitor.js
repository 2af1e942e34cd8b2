export default defineNitroPlugin(({ hooks }) => {
  hooks.hook('beforeResponse', async (event) => {
    const already = [getResponseHeader(event, 'set-cookie') ?? []].flat()
    const cookie = await event.context.visit?.setCookie(already)
    if (cookie !== undefined) appendResponseHeader(event, 'set-cookie', cookie)
  })
})
