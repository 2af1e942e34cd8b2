import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { live } from './life.js'
import { post, refresh, url } from './server-side.js'

const session = createSession({ tokens: null, refresh })
const authFetch = withSession(session, { origins: [url] })
const get = async (path) => (await authFetch(url + path)).json()

console.log(JSON.stringify(await live({ session, get, post })))
