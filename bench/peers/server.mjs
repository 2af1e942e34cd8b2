/**
 * The server and what stands before it, in a process of their own: what a client costs is its own time. Its parent plays
 * with it by messages: `[id, verb, …arguments]`, answered by `[id, result]`.
 */
import { createAuthServer } from '../../dist/testing/index.js'
import { openFront } from './front.mjs'

const { latency, ...options } = JSON.parse(process.argv[2])
const server = await createAuthServer(options)
const front = await openFront(server, latency)
const gates = new Map()

const verbs = {
  address: () => front.url,
  mint: () => server.mint('alice'),
  expire: () => server.expireAccessTokens(),
  revoke: () => server.revokeFamily('alice'),
  // What is to happen for ever comes as null.
  fault: (kind, times = Number.POSITIVE_INFINITY) =>
    void server.fault(kind, { times: times ?? Number.POSITIVE_INFINITY }),
  hold: (path) => void gates.set(path, server.hold(path)),
  arrived: (path, count) => gates.get(path).untilArrived(count),
  release: (path) => gates.get(path).release(),
  tally() {
    const effects = server.log.filter(({ kind }) => kind === 'effect').map(({ id }) => id)
    const { refreshRequests, api } = server.count
    return { refreshes: refreshRequests, requests: api, twice: effects.length - new Set(effects).size }
  },
}

process.on('message', async ([id, verb, ...given]) => process.send([id, await verbs[verb](...given)]))
process.on('disconnect', () => process.exit())
process.send([0])
