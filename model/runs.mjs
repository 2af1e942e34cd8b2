/**
 * What is asked of the model.
 *
 * - `holds`: every property, in every order of events, within these budgets. With `minutes` there are too many
 *   orders: the search keeps bits instead of states, which may take two for one, and is stopped after that time.
 * - `ends`: no run goes on for ever.
 * - `refuted`: with one rule left out, the named property fails.
 */

const strict = { REVOKES: true }
const lenient = {}
const grace = { GRACE: true, REVOKES: true }

/** The network, a holder that outlives its lease, a tab that dies and one that opens. */
const lost = { LOSSES: 1 }
const overrun = { OVERRUNS: 1 }
const dies = { DEATHS: 1, OPENINGS: 1 }
const once = { EXPIRIES: 0 }
const everything = { ...lost, ...overrun, ...dies, TROUBLES: 1, SIGNOUTS: 1 }

/** @typedef {{ name: string, asks: 'holds' | 'refuted' | 'ends', defines: Record<string, number | boolean>, property?: string, minutes?: number }} Run */

const question =
  (asks) =>
  (name, ...parts) => {
    const defines = Object.assign({}, ...parts)
    return { name: `${name}, ${defines.EXPIRIES === 0 ? '1 expiry' : '2 expiries'}`, asks, defines }
  }
const holds = question('holds')
const ends = question('ends')
const refuted = (rule, property, name, ...defines) => ({
  name: `${name}: ${property} fails`,
  asks: 'refuted',
  property,
  defines: Object.assign({ [rule]: true }, ...defines),
})

/** @type {Run[]} part of `npm test` */
export const runs = [
  holds('2 tabs, strict server, lost answer, overrun', strict, lost, overrun),
  holds('2 tabs, no family revocation, lost answer, overrun', lenient, lost, overrun),
  holds('2 tabs, grace, lost answer, overrun', grace, lost, overrun),
  holds('2 tabs, strict server, death, opening, overrun', strict, dies, overrun),
  holds('2 tabs, grace, 503, overrun', grace, overrun, { TROUBLES: 1 }),
  holds('2 tabs, strict server, lost answer, 503, overrun', strict, lost, overrun, once, { TROUBLES: 1 }),
  holds('2 tabs, strict server, death, opening, overrun, sign-out', strict, dies, overrun, once, {
    SIGNOUTS: 1,
  }),
  holds('2 tabs, strict server, overrun, sign-out, sign-in', strict, overrun, once, {
    SIGNOUTS: 1,
    SIGNINS: 1,
  }),
  holds('2 tabs, cookie mode, lost answer, 503, death', strict, lost, {
    COOKIE: true,
    DEATHS: 1,
    TROUBLES: 1,
  }),
  holds('2 tabs, cookie mode, death, opening, overrun', strict, dies, overrun, once, { COOKIE: true }),
  holds('2 tabs, cookie mode, lost answer, death, opening, login elsewhere', strict, lost, dies, once, {
    COOKIE: true,
    LOGINS: 1,
  }),
  holds('2 tabs of two audiences, strict server, lost answer, overrun', strict, lost, overrun, once, {
    AUDIENCES: true,
  }),
  holds('3 tabs of two audiences, strict server, death', strict, once, {
    TABS: 3,
    AUDIENCES: true,
    DEATHS: 1,
  }),
  holds('3 tabs, strict server, lost answer', strict, lost, once, { TABS: 3 }),
  holds('3 tabs, strict server, death', strict, { TABS: 3, DEATHS: 1 }),
  holds('3 tabs, strict server, death, overrun', strict, overrun, once, { TABS: 3, DEATHS: 1 }),
  holds('3 tabs, strict server, sign-out', strict, once, { TABS: 3, SIGNOUTS: 1 }),
  holds('3 tabs, grace, lost answer, overrun', grace, lost, overrun, once, { TABS: 3 }),

  ends('2 tabs, strict server, lost answer, 503, overrun', strict, lost, overrun, once, { TROUBLES: 1 }),
  ends('2 tabs, strict server, death, opening, overrun', strict, dies, overrun, once),
  ends('3 tabs, strict server, death', strict, once, { TABS: 3, DEATHS: 1 }),

  refuted('NO_RESERVATION', 'L2', 'no reservation', grace, overrun, once),
  refuted('NO_LEASE_CHECK', 'L1', 'no lease check before the send', strict, overrun, once),
  refuted('DEADLINE_IS_LEASE', 'L1', 'deadline = lease', strict, overrun, once),
  refuted('NO_FENCE', 'L2', 'no fence', strict, overrun, once),
  refuted('NO_FENCE', 'L5', 'no fence', strict, overrun, dies, once, { SIGNOUTS: 1 }),
  refuted('NO_RELOAD', 'EXPLAINED', 'no second load under the lock', strict, once),
  refuted('NO_SECOND_LOOK', 'L5', "no look at the tab's own record before the send", strict, once, {
    SIGNOUTS: 1,
  }),
  refuted('OUTDATES_EARLY', 'L1', 'the turn is given up before the sign-out is saved', strict, once, {
    SIGNOUTS: 1,
  }),
  refuted('SHOWS_SEEN', 'EXPLAINED', 'two audiences, no token but the one that was seen', strict, once, {
    AUDIENCES: true,
  }),
  refuted('NO_STEAL', 'RELEASED', 'no steal', strict, once, { DEATHS: 1 }),
  refuted('NO_RETRY_LIMIT', 'ENDS', 'no limit to retries', strict, once, { LOSSES: 2 }),
  refuted('NO_WAIT', 'L1', 'cookie mode, no wait for a reservation', strict, once, {
    COOKIE: true,
    DEATHS: 1,
  }),
  refuted('NUMBERS_AGAIN', 'L1', 'cookie mode, a dropped number is given out again', strict, once, {
    COOKIE: true,
    DEATHS: 1,
    TROUBLES: 1,
  }),
  refuted('NUMBERS_AGAIN', 'L2', 'a dropped number is given out again', grace, overrun, once, {
    TROUBLES: 1,
  }),
  refuted('IGNORES_SAVED', 'L2', 'a refusal ignores what its save has found', strict, overrun, once),
]

/** @type {Run[]} part of `npm run soak`, with what `npm test` runs */
export const longRuns = [
  holds('2 tabs, strict server, lost answer, death, opening, overrun', strict, lost, dies, overrun),
  holds('2 tabs, no family revocation, lost answer, death, opening, overrun', lenient, lost, dies, overrun),
  // More states than memory holds.
  { ...holds('2 tabs, grace, lost answer, death, opening, overrun', grace, lost, dies, overrun), minutes: 3 },
  holds('2 tabs, strict server, lost answer, overrun, sign-out', strict, lost, overrun, { SIGNOUTS: 1 }),
  holds('2 tabs, strict server, 2 overruns', strict, { OVERRUNS: 2 }),
  holds('3 tabs, strict server, overrun', strict, overrun, { TABS: 3 }),
  holds('3 tabs, strict server, death, opening', strict, dies, { TABS: 3 }),
  holds('3 tabs, strict server, overrun, sign-out', strict, overrun, once, { TABS: 3, SIGNOUTS: 1 }),
  holds('3 tabs, strict server, lost answer', strict, lost, { TABS: 3 }),
  ends('2 tabs, strict server, lost answer, overrun', strict, lost, overrun),
  ends('2 tabs, strict server, death, opening, overrun', strict, dies, overrun),
  { ...holds('2 tabs, grace, everything at once', grace, everything), minutes: 3 },
  { ...holds('3 tabs, strict server, everything at once', strict, everything, { TABS: 3 }), minutes: 3 },
]
