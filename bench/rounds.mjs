/**
 * Measures small work side by side. The contestants take turns in one process, in an order that changes every
 * round; what is compared is compared within a round, and the median over the rounds counts. Let one of them run
 * twice, under two names: how far it is from itself tells how far to trust the others. Time is processor time,
 * so that other work on the machine disturbs less. No collection is forced between the rounds: a full one at
 * rest drops the engine's optimized code with the last object of each shape, and what follows measures the
 * compiler.
 */
export const ROUNDS = 300
export const REQUESTS = 500
const WARM_UP_ROUNDS = 100

/**
 * @param contestants by name, each a function that makes one request
 * @returns by name, microseconds per request in each round
 */
export async function takeTurns(contestants) {
  const names = Object.keys(contestants)
  const times = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const name of shuffled(names)) {
      const time = await microsecondsPerRequest(contestants[name])
      if (round >= 0) times[name].push(time)
    }
  }
  return times
}

async function microsecondsPerRequest(request) {
  const started = process.cpuUsage()
  for (let i = 0; i < REQUESTS; i += 1) await request()
  const { user, system } = process.cpuUsage(started)
  return (user + system) / REQUESTS
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.floor(middle - 0.5)] + sorted[Math.floor(middle)]) / 2
}

function shuffled(values) {
  return values
    .map((value) => [Math.random(), value])
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value)
}
