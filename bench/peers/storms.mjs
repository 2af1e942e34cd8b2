/**
 * A storm in the care of a contestant against what this machine can do: the same number of requests by the bare client
 * with a good token, and the refresh that has to come before it. All in turn, many times, each with a session of its own.
 */
import { STORM } from './options.mjs'
import { openServer } from './remote.mjs'
import { LATENCY } from './scenarios.mjs'
import { openClient, signIn } from './sign-in.mjs'
import { exchange } from './tokens.mjs'

const HOUR = 3_600_000
const [file, bareFile] = process.argv.slice(2)
const contestant = await import(`./contestants/${file}`)
const bare = await import(`./contestants/${bareFile}`)
const server = await openServer({ latency: LATENCY, grace: 0, accessTokenLifetime: HOUR })
console.error = () => {}

const take = async (client, look = 'last') => {
  const begun = performance.now()
  let first
  const ended = () => {
    first ??= performance.now() - begun
  }
  await Promise.all(
    Array.from({ length: STORM.requests }, (_, id) =>
      client.request(`/api/items?id=${id}`).then(ended, look === 'last' ? undefined : ended),
    ),
  )
  return look === 'last' ? performance.now() - begun : first
}

const measures = {
  async good() {
    return take(await openClient(bare, server, { expiresAt: Date.now() + HOUR }))
  },
  /** Until the first 401 is there. */
  async first() {
    const client = await openClient(bare, server, { expiresAt: Date.now() + HOUR })
    await server.expireAccessTokens()
    return take(client, 'first')
  },
  async refresh() {
    const { refresh_token } = await signIn(server, Date.now() + HOUR)
    const begun = performance.now()
    await exchange(`${server.url}/token`, refresh_token)
    return performance.now() - begun
  },
  async visible() {
    const client = await openClient(contestant, server, { expiresAt: Date.now() - 1_000 })
    await server.expireAccessTokens()
    return take(client)
  },
  async invisible() {
    const client = await openClient(contestant, server, { expiresAt: Date.now() + HOUR })
    await server.expireAccessTokens()
    return take(client)
  },
}

const results = Object.fromEntries(Object.keys(measures).map((name) => [name, []]))
const WARM_UP = 3
for (let round = -WARM_UP; round < STORM.rounds; round++) {
  for (const [name, measure] of Object.entries(measures)) {
    const time = await measure()
    if (round >= 0) results[name].push(time)
  }
}
process.send(results, () => process.exit(0))
