/**
 * Mutants that nobody can see: `mutants.mjs` does not count them. Each by its file, how its line begins, what is replaced
 * there and by what; and why nobody can.
 */
export const SAME_FOR_EVERYBODY = [
  ...['words', 'faults'].flatMap((all) =>
    at('src/core/answer.ts', `${all} += `, { 999: ['(999 + 1)', 'how much of a long text is looked at'] }),
  ),
  ...at('src/core/clock.ts', 'const LONGEST_DELAY = 2 ** 31 - 1', {
    1: ['(1 + 1)', 'a millisecond in twenty-four days'],
  }),
  ...at('src/core/cooldown.ts', '#until = 0', {
    0: ['(0 + 1)', 'read beside a failure only, which sets it'],
  }),
  ...at('src/core/cooldown.ts', '#lost = false', {
    false: ['true', 'read beside a failure only, which sets it'],
  }),
  ...at('src/core/exchange.ts', 'if (events.observed) {', {
    'events.observed': ['true', 'what nobody observes is told to nobody'],
  }),
  ...at(
    'src/core/flight.ts',
    "const later = kind === 'wait' || (kind === 'definite' && tries++ < retries && delay <= deadline)",
    { '<=': ['<', 'a pause that takes as long as everybody may wait, to a fraction of a millisecond'] },
  ),
  ...at(
    'src/core/gate.ts',
    'if (left <= validity.soft && left > validity.hard && !running.flight && !cooldown.error)',
    { '<=': ['<', 'the soft window is drawn, to a fraction of a millisecond'] },
  ),
  ...at('src/core/known.ts', 'const REMEMBERED = 9', {
    9: ['(9 + 1)', 'how many former tokens are kept in memory'],
  }),
  ...at('src/core/outcome.ts', 'readonly #mark = true', {
    true: ['false', 'that it is there is what is asked'],
  }),
  ...at('src/core/redaction.ts', 'if (this.#seen !== held) {', {
    'this.#seen !== held': ['true', 'the same forms once more: it is only slower'],
  }),
  ...at(
    'src/core/restore.ts',
    'for (const letter of refreshToken ?? accessToken) name = (name * 31 + letter.charCodeAt(0)) % 2 ** 48',
    {
      31: ['(31 + 1)', 'any name does that is the same for the same token'],
      2: ['(2 + 1)', 'the same'],
      48: ['(48 + 1)', 'the same'],
    },
  ),
  ...at('src/core/restore.ts', 'let name = 0', {
    0: ['(0 + 1)', 'any name does that is the same for the same token'],
  }),
  ...at(
    'src/core/restore.ts',
    'const epoch = tokens ? newEpoch(clock, seen, 1, nameOf(tokens)) : newEpoch(clock, seen, 0)',
    {
      1: ['(1 + 1)', 'both are long before any sign-in'],
      0: ['(0 + 1)', 'nobody is signed in there: nothing is lost to what comes before it'],
    },
  ),
  ...at('src/core/tokens.ts', 'const LONGEST = 1e15', {
    '1e15': ['(1e15 + 1)', 'a millisecond in thirty thousand years'],
  }),
  ...at('src/transports/axios/answer.ts', 'const { status = 0, headers: all, request } = answer', {
    0: ['(0 + 1)', 'only answers with a status come there'],
  }),
  ...at('src/transports/axios/destination.ts', 'known = url', {
    'known = url': [';', 'what is known is only quicker'],
  }),
  ...at('src/transports/fetch.ts', 'if (told) delete members.session', {
    told: ['true', 'what is not there is deleted in vain'],
  }),
  ...at(
    'src/transports/redirects.ts',
    'const getsIt = status === 303 ? !/^(GET|HEAD)$/i.test(method) : status < 303 && /^POST$/i.test(method)',
    { '<': ['<=', '303 is known by then'] },
  ),
  ...at(
    'src/transports/replay.ts',
    'if (byteLength >= 0) return new Uint8Array(buffer, byteOffset, byteLength).slice().buffer',
    { '>=': ['>', 'nothing is its own copy'], 0: ['(0 + 1)', 'nothing is its own copy'] },
  ),
]

/** The mutants of one line: what is replaced there, by what, and why nobody can see it. */
function at(file, line, mutants) {
  return Object.entries(mutants).map(([was, [becomes, why]]) => ({ file, line, was, becomes, why }))
}
