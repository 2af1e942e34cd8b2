import express from 'express'
import { createClient } from 'redis'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { redisStores } from 'refresh-once/redis'
import { live } from './life.js'
import { post, refresh, url } from './server-side.js'

const client = createClient({ url: process.env.REDIS })
await client.connect()
const stores = redisStores({ client, prefix: 'newcomer:' })

const app = express()
app.get('/', async (_request, response) => {
  const session = createSession({ store: stores('one-visitor'), tokens: null, refresh })
  const authFetch = withSession(session, { origins: [url] })
  const get = async (path) => (await authFetch(url + path)).json()
  response.json(await live({ session, get, post }))
  session.close()
})

const server = app.listen(0, '127.0.0.1', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/`)
  console.log(await answer.text())
  server.close()
  client.destroy()
})
