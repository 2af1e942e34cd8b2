/**
 * Plays one scenario with one contestant, in a process of its own: some keep their state in their module, and what
 * hangs ends with the process. Sends the result to its parent.
 */
import { createAuthServer } from '../../dist/testing/index.js'
import { jwt, openFront } from './front.mjs'
import { LATENCY, scenarios } from './scenarios.mjs'

const DEADLINE = 2_000
/** Whoever has not settled by then never will. */
const PATIENCE = DEADLINE + 6_000
const HOUR = 3_600_000

const [file, title] = process.argv.slice(2)
const contestant = await import(`./contestants/${file}`)
const scenario = scenarios[title]
let unhandled = 0
process.on('unhandledRejection', () => unhandled++)
console.error = () => {}

const server = await createAuthServer({ grace: scenario.grace ?? 0, accessTokenLifetime: HOUR })
const front = await openFront(server, LATENCY)
const minted = server.mint('alice')
const expiresAt = Date.now() + (scenario.visible ? -1_000 : HOUR)
const tokens = {
  access_token: jwt(minted.access_token, expiresAt),
  refresh_token: minted.refresh_token,
  token_type: 'Bearer',
  expires_at: Math.floor(expiresAt / 1000),
}
const { url } = front
const client = await contestant.open({
  url,
  tokenEndpoint: `${url}/token`,
  tokens,
  expiresAt,
  deadline: DEADLINE,
})

let leaks = 0
const leaked = () => leaks++
const started = performance.now()
let last = 0
const requests = await scenario.run({ server, client, leaked })
const outcomes = await Promise.all(requests.map(settled))
const effects = server.log.filter(({ kind }) => kind === 'effect').map(({ id }) => id)
const tally = (outcome) => outcomes.filter((one) => one === outcome).length
process.send(
  {
    refreshes: server.count.refreshRequests,
    requests: server.count.api,
    answered: tally('answered'),
    failed: tally('failed'),
    hung: tally('hung'),
    twice: effects.length - new Set(effects).size,
    leaks,
    unhandled,
    last: last > 0 ? Math.round(last - started) : undefined,
  },
  () => process.exit(0),
)

function settled(request) {
  let timer
  const patience = new Promise((resolve) => {
    timer = setTimeout(() => resolve('hung'), PATIENCE)
  })
  const outcome = request.then(
    () => 'answered',
    () => 'failed',
  )
  return Promise.race([outcome, patience]).then((outcome) => {
    clearTimeout(timer)
    if (outcome !== 'hung') last = Math.max(last, performance.now())
    return outcome
  })
}
