export default defineEventHandler(async (event) => {
  event.context.visit = await visitors.visit(toWebRequest(event).headers)
})
