/**
 * Plays one scenario with one contestant, in a process of its own: some keep their state in their module, and what
 * hangs ends with the process. Sends the result to its parent.
 */
import { globalAgent } from 'node:http'
import { openServer } from './remote.mjs'
import { LATENCY, scenarios } from './scenarios.mjs'
import { openClient } from './sign-in.mjs'

const DEADLINE = 2_000
/** Whoever has not settled by then never will. */
const PATIENCE = DEADLINE + 3_000
const HOUR = 3_600_000

const [file, title] = process.argv.slice(2)
const contestant = await import(`./contestants/${file}`)
const scenario = scenarios[title]
let unhandled = 0
process.on('unhandledRejection', () => unhandled++)
console.error = () => {}

const server = await openServer({
  latency: LATENCY,
  grace: scenario.grace ?? 0,
  accessTokenLifetime: HOUR,
})
const expiresAt = Date.now() + (scenario.visible ? -1_000 : HOUR)
if (scenario.connections) await limit(scenario.connections)
const client = await openClient(contestant, server, {
  expiresAt,
  deadline: DEADLINE,
  connections: scenario.connections,
})

let leaks = 0
const leaked = () => leaks++
let started = performance.now()
let last = 0
/** The clock runs from here on. */
function begin() {
  started = performance.now()
}
const requests = await scenario.run({ server, client, leaked, begin })
const outcomes = await Promise.all(requests.map(settled))
const tally = (outcome) => outcomes.filter((one) => one === outcome).length
process.send(
  {
    ...(await server.tally()),
    answered: tally('answered'),
    failed: tally('failed'),
    hung: tally('hung'),
    leaks,
    unhandled,
    last: last > 0 ? Math.round(last - started) : undefined,
  },
  () => process.exit(0),
)

/** For both kinds of client, which have none by themselves. That of fetch is the one it has, made anew. */
async function limit(connections) {
  globalAgent.maxSockets = connections
  await fetch('data:,')
  const dispatcher = Symbol.for('undici.globalDispatcher.1')
  globalThis[dispatcher] = new globalThis[dispatcher].constructor({ connections })
}

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
