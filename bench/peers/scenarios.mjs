import { createServer } from 'node:http'

/** How long an API request takes, and a refresh, in milliseconds. */
export const LATENCY = { api: 100, refresh: 200 }
const { api: A, refresh: R } = LATENCY
const STORM = 100
/** What an endpoint takes beyond that, in milliseconds. */
const SLOW = 900
const ALWAYS = Number.POSITIVE_INFINITY

const times = (count, make) => Array.from({ length: count }, (_, index) => make(index))

/** A request whose refresh is on its way. Not everybody refreshes. */
async function refreshing(server, client) {
  const gate = await server.hold('/token')
  const first = client.request('/api/items')
  await Promise.race([gate.untilArrived(), first.catch(() => {})])
  gate.release()
  return { first }
}

const gets = (client, count) => times(count, (id) => client.request(`/api/items?id=${id}`))

/**
 * Each is played with a server and a client of its own. `optimum` is the time to the last answer, worked out from the
 * latencies, where everything is answered; `refreshes` and `requests` are what is needed. `run` returns the requests
 * that count. `connections` is how many there may be to the host.
 *
 * @type {Record<string, { visible?: boolean, grace?: number, connections?: number, optimum?: number, refreshes?: number, requests?: number,
 *   failed?: number, run(stage: object): Promise<Promise<unknown>[]> | Promise<unknown>[] }>}
 */
export const scenarios = {
  [`${STORM} at once, the expiry can be seen`]: {
    visible: true,
    optimum: R + A,
    refreshes: 1,
    requests: STORM,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      return gets(client, STORM)
    },
  },
  [`${STORM} at once, it cannot be seen`]: {
    optimum: A + R + A,
    refreshes: 1,
    requests: 2 * STORM,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      return gets(client, STORM)
    },
  },
  '20 that come during the refresh': {
    optimum: A + R + A,
    refreshes: 1,
    requests: 22,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      const { first } = await refreshing(server, client)
      return [first, ...gets(client, 20)]
    },
  },
  'a 401 that comes after the refresh': {
    // The new token is there while the answer of the old one is still on its way, for 400 ms longer than others.
    optimum: A + R + A,
    refreshes: 1,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      return [client.request('/api/echo?late=400'), client.request('/api/items')]
    },
  },
  // All connections that a browser has to a host are taken by requests that will be refused, a second after they were
  // sent. Who takes them off the wire need not wait for that.
  'a quick request, behind six busy connections': {
    connections: 6,
    optimum: A + R + A,
    refreshes: 1,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      const quick = client.request('/api/items')
      for (const slow of times(6, (id) => client.request(`/api/echo?slow=${SLOW}&id=${id}`)))
        slow.catch(() => {})
      return [quick]
    },
  },
  '20 requests, the refresh is refused': {
    refreshes: 1,
    failed: 20,
    async run({ server, client, begin }) {
      await server.revokeFamily()
      begin()
      return gets(client, 20)
    },
  },
  '20 requests, the refresh fails once': {
    refreshes: 1,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      await server.fault('503')
      begin()
      return gets(client, 20)
    },
  },
  '20 requests, the answer of the refresh is lost': {
    grace: 60_000,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      await server.fault('destroy-after')
      begin()
      return gets(client, 20)
    },
  },
  '20 requests, the refresh hangs': {
    failed: 20,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      await server.fault('hang', { times: ALWAYS })
      begin()
      return gets(client, 20)
    },
  },
  '20 POSTs are executed, and not yet answered': {
    refreshes: 1,
    requests: 22,
    async run({ server, client }) {
      const gate = await server.hold('/api/effects')
      const posts = times(20, (id) =>
        client.request(`/api/effects?id=${id}`, { method: 'POST', body: { id } }),
      )
      for (const post of posts) post.catch(() => {})
      await gate.untilArrived(20)
      await server.expireAccessTokens()
      const get = client.request('/api/items')
      await get.catch(() => {})
      gate.release()
      return [get, ...posts]
    },
  },
  'a caller leaves during the refresh': {
    optimum: A + R + A,
    refreshes: 1,
    requests: 2,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      const { first } = await refreshing(server, client)
      const controller = new AbortController()
      client.request('/api/items?id=left', { signal: controller.signal }).catch(() => {})
      setTimeout(() => controller.abort(), 20)
      return [first]
    },
  },
  'a POST with text of its own, refused at first': {
    optimum: A + R + A,
    refreshes: 1,
    requests: 2,
    async run({ server, client, begin }) {
      await server.expireAccessTokens()
      begin()
      const body = { text: 'grüße\u2028 "7"', list: [1, null], deep: { a: [] } }
      const answer = client.request('/api/echo', { method: 'POST', body })
      return [
        answer.then(({ data }) => {
          const arrived = JSON.parse(Buffer.from(data.bodyBase64, 'base64').toString())
          if (JSON.stringify(arrived) !== JSON.stringify(body)) throw new Error('another body')
        }),
      ]
    },
  },
  'an endpoint that always answers 401': {
    refreshes: 1,
    requests: 2,
    failed: 1,
    run: ({ client }) => [client.request('/api/never')],
  },
  '403, 404 and 500, no business of the session': {
    refreshes: 0,
    requests: 3,
    failed: 3,
    run: ({ client }) => [403, 404, 500].map((status) => client.request(`/api/status/${status}`)),
  },
  'a request to another origin': {
    refreshes: 0,
    async run({ client, leaked }) {
      const other = createServer(({ headers }, response) => {
        if (headers.authorization) leaked()
        response.setHeader('content-type', 'application/json').end('{}')
      })
      await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve))
      const { port } = other.address()
      const answer = client.request(`http://127.0.0.1:${port}/other`)
      await answer.catch(() => {})
      other.closeAllConnections()
      other.close()
      return [answer]
    },
  },
}
