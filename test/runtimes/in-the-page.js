/** The ten lines of the README, at the level of a module that a server renders with. */
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'

export const session = createSession({
  refresh: ({ signal }) => fetch('/auth/refresh', { method: 'POST', credentials: 'include', signal }),
})
export const api = axios.create({ baseURL: '/api' })
attachSession(api, session)
export const authFetch = withSession(session)
