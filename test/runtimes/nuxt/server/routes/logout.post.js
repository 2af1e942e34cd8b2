export default defineEventHandler((event) => visitors.signOut(toWebRequest(event), new Response('bye')))
