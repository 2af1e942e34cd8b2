/**
 * An expiry storm: what an app asks for when somebody comes back to it. Fifteen calls at once, three of which
 * change something, and three of which are late: the API gets to see their token when the first refresh is
 * long over.
 */
export const STORM = [
  { method: 'GET', path: '/items' },
  { method: 'GET', path: '/items', work: 120 },
  { method: 'GET', path: '/items' },
  { method: 'POST', path: '/effects' },
  { method: 'GET', path: '/items', work: 90 },
  { method: 'GET', path: '/items', late: 450 },
  { method: 'GET', path: '/items', work: 150 },
  { method: 'GET', path: '/items' },
  { method: 'POST', path: '/effects', work: 120 },
  { method: 'GET', path: '/items', work: 200 },
  { method: 'GET', path: '/items', late: 500 },
  { method: 'GET', path: '/items', work: 90 },
  { method: 'GET', path: '/items' },
  { method: 'POST', path: '/effects', work: 90 },
  { method: 'GET', path: '/items', late: 900 },
]

export const ONE_CALL = [{ method: 'GET', path: '/items', work: 200 }]

/** A page that opens. */
export const THREE_CALLS = [120, 160, 200].map((work) => ({ method: 'GET', path: '/items', work }))

/** Two meet the 401 at once; that of the third comes when the refresh is over. */
export const LATE_CALLS = [
  { method: 'GET', path: '/items', work: 100 },
  { method: 'GET', path: '/items', work: 160 },
  { method: 'GET', path: '/items', late: 700 },
]

/** Each changes something. */
export const POSTS = [60, 100, 140].map((work) => ({ method: 'POST', path: '/effects', work }))

/**
 * Makes all calls at once. Resolves when the last has settled, or after `limit` milliseconds: a call that
 * hangs must not hang the one who watches.
 *
 * @param first number of the first call, from the server
 */
export async function run(lane, calls, first, limit = 30_000) {
  let timer
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, limit)
  })
  const all = Promise.all(calls.map((call, index) => lane.call({ ...call, call: first + index })))
  await Promise.race([all, over])
  clearTimeout(timer)
}
