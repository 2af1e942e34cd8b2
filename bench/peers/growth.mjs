/**
 * A storm of so many requests that wait for one refresh, without a network: the time and the memory that each of them
 * takes, with the session or without it. Memory is what is in use while all of them wait, time is that of the processor
 * from the first call to the last answer.
 */
import axios from 'axios'
import { createSession } from '../../dist/index.js'
import { attachSession } from '../../dist/transports/axios.js'
import { withSession } from '../../dist/transports/fetch.js'

const [client, contestant, given] = process.argv.slice(2)
const count = Number(given)
const URL = 'https://api.example.com/items'
/** So many in all: of few, many at once. */
const ENOUGH = 20_000
const many = Math.max(1, Math.ceil(ENOUGH / count))

const clients = {
  axios(answer, session) {
    const adapter = async (config) => {
      await answer()
      return { data: '{}', status: 200, statusText: 'OK', headers: {}, config, request: null }
    }
    const instance = axios.create({ baseURL: 'https://api.example.com', adapter })
    if (session) attachSession(instance, session)
    return () => instance.get('/items')
  },
  fetch(answer, session) {
    const response = new Response('{}')
    const bare = async () => {
      await answer()
      return response
    }
    const own = session ? withSession(session, { origins: ['https://api.example.com'], fetch: bare }) : bare
    return () => own(URL)
  },
}

/** All wait, for the refresh or for their answers, until they are let go. */
function open() {
  let letGo
  const gate = new Promise((resolve) => {
    letGo = resolve
  })
  if (contestant === 'bare') return { request: clients[client](() => gate), letGo, close() {} }
  const session = createSession({
    refresh: async () => {
      await gate
      return { accessToken: 'b', refreshToken: 's', expiresIn: 3600 }
    },
    tokens: { accessToken: 'a', refreshToken: 'r', expiresAt: Date.now() - 1000 },
    deadline: 600_000,
    lease: 900_000,
  })
  return { request: clients[client](async () => {}, session), letGo, close: () => session.close() }
}

/** So many storms at once, of so many requests each. Gets microseconds in all. */
async function storms(many, requests, weigh = () => {}) {
  const opened = Array.from({ length: many }, open)
  const begun = process.cpuUsage()
  const pending = new Array(many * requests)
  let index = 0
  for (const { request } of opened) for (let one = 0; one < requests; one++) pending[index++] = request()
  const { user, system } = process.cpuUsage(begun)
  await weigh()
  const again = process.cpuUsage()
  for (const { letGo } of opened) letGo()
  await Promise.all(pending)
  const rest = process.cpuUsage(again)
  for (const { close } of opened) close()
  return user + system + rest.user + rest.system
}

async function heapUsed() {
  for (let times = 0; times < 3; times++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc()
  }
  return process.memoryUsage().heapUsed
}

for (let warm = 0; warm < ENOUGH; warm += 1_000) await storms(1, 1_000)
const before = await heapUsed()
let held = 0
const time = await storms(many, count, async () => {
  held = (await heapUsed()) - before
})
process.send({ time: time / many / count, memory: held / many / count }, () => process.exit(0))
