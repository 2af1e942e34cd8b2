import { visitors } from '../visitors.server.js'

export const action = ({ request }) => visitors.signOut(request, new Response('bye'))
