import { visitors } from '$lib/visitors.js'

export function handle({ event, resolve }) {
  return visitors.serve(event.request, (api) => {
    event.locals.api = api
    return resolve(event)
  })
}
