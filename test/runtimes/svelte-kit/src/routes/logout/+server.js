import { visitors } from '$lib/visitors.js'

export const POST = ({ request }) => visitors.signOut(request, new Response('bye'))
