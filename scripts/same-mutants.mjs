/**
 * Mutants that nobody can see: `mutants.mjs` does not count them. Each by its file, how its line begins, what is replaced
 * there and by what; and why nobody can.
 */
export const SAME_FOR_EVERYBODY = [
  ...['words', 'faults'].flatMap((all) =>
    at('src/core/answer.ts', `${all} += `, { 999: ['(999 + 1)', 'how much of a long text is looked at'] }),
  ),
  ...at('src/core/answer.ts', 'const LONGEST_BODY = 2 ** 18', {
    18: ['(18 + 1)', 'how much of what is no token response is read'],
  }),
  ...at('src/core/answer.ts', "for (let text = ''; text.length < LONGEST_BODY; ) {", {
    '<': ['<=', 'how much of what is no token response is read'],
  }),
  ...at('src/core/answer.ts', 'const MOST_OBJECTS = 60', { 60: ['(60 + 1)', 'no answer has so many'] }),
  ...at('src/core/answer.ts', "else if (typeof item === 'object' && item && items.size < MOST_OBJECTS)", {
    '<': ['<=', 'no answer has so many'],
  }),
  ...at('src/core/answer.ts', 'if (value === undefined) continue', {
    'value === undefined': ['false', 'what is not there is looked at in vain'],
  }),
  ...at('src/core/answer.ts', 'if (value > 99 && value < 600) {', {
    '>': ['>=', 'no answer has such a status'],
    99: ['(99 + 1)', 'no last answer has such a status'],
    '<': ['<=', 'no answer has such a status'],
    600: ['(600 + 1)', 'no answer has such a status'],
  }),
  ...at('src/core/answer.ts', 'if (/^\\s*[[{]/.test(text)) return JSON.parse(text)', {
    '/^\\s*[[{]/.test(text)': ['true', 'what is no object is parsed in vain'],
  }),
  ...at('src/core/answer.ts', 'if (!plain) readText(', {
    0: ['(0 + 1)', 'the one group is all that was found'],
  }),
  ...at('src/core/challenge.ts', 'const LONGEST_HEADER = 8_192', {
    '8_192': ['(8_192 + 1)', 'how much of a long header is read'],
  }),
  ...at('src/core/clock.ts', 'const LONGEST_DELAY = 2 ** 31 - 1', {
    1: ['(1 + 1)', 'a millisecond in twenty-four days'],
  }),
  ...at('src/core/cooldown.ts', '#until = 0', {
    0: ['(0 + 1)', 'read beside a failure only, which sets it'],
  }),
  ...['#told = 0', 'this.#told = 0', 'left(notBefore = 0)', 'const { retryAt = 0 }'].flatMap((line) =>
    at('src/core/cooldown.ts', line, { 0: ['(0 + 1)', 'a moment of 1970, either way'] }),
  ),
  ...at('src/core/cooldown.ts', '#lost = false', {
    false: ['true', 'read beside a failure only, which sets it'],
  }),
  ...at('src/core/exchange.ts', 'if (events.observed) {', {
    'events.observed': ['true', 'what nobody observes is told to nobody'],
  }),
  ...at('src/core/errors.ts', 'if (seen.size < 99)', {
    '<': ['<=', 'how far a proxy is followed'],
    99: ['(99 + 1)', 'how far a proxy is followed'],
  }),
  ...at('src/core/flight.ts', 'if (known.first) await known.first', {
    'known.first': ['true', 'nothing is waited for: that is over at once'],
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
  ...at('src/core/known.ts', '#comesLast = false', {
    false: ['true', 'read beside what is being saved only, which sets it'],
  }),
  ...at('src/core/known.ts', 'const REMEMBERED = 9', {
    9: ['(9 + 1)', 'how many former tokens are kept in memory'],
  }),
  ...at('src/core/known.ts', 'if (held.length > REMEMBERED)', {
    '>': ['>=', 'how many former tokens are kept in memory'],
  }),
  ...at('src/core/outcome.ts', 'readonly #mark = true', {
    true: ['false', 'that it is there is what is asked'],
  }),
  ...at('src/core/patience.ts', 'const PARTS = 5', { 5: ['(5 + 1)', 'in how many parts one waits'] }),
  ...Object.entries({ LONGEST: 400, LONGEST_NAME: 80, MOST_FRAMES: 10, DEEPEST: 5 }).flatMap(([name, most]) =>
    at('src/core/redaction.ts', `const ${name} = `, {
      [most]: [`(${most} + 1)`, 'how much is told, or looked at'],
    }),
  ),
  ...at('src/core/redaction.ts', 'const BEGINNING = [16, 40] as const', {
    16: ['(16 + 1)', 'how much of a token is enough'],
    40: ['(40 + 1)', 'how much of a token is enough'],
  }),
  ...at('src/core/redaction.ts', 'const cut = text.length > longest', {
    '>': ['>=', 'how much is told'],
  }),
  ...at('src/core/redaction.ts', 'for (let depth = 0; error && depth < DEEPEST; depth++) {', {
    0: ['(0 + 1)', 'how deep is looked'],
    '<': ['<=', 'how deep is looked'],
  }),
  ...at('src/core/redaction.ts', 'const twice = decoded === once ? once : clear(decoded)', {
    'decoded === once': ['false', 'what has been cleared is cleared again'],
  }),
  ...at('src/core/redaction.ts', "textOf(stack ?? '')", {
    "stack ?? ''": ['(stack)', 'neither has lines'],
  }),
  ...at('src/core/redaction.ts', 'const beginning = token.slice(', {
    2: ['(2 + 1)', 'how much of a token is enough'],
  }),
  ...at('src/core/redaction.ts', 'this.#seen = held', {
    'this.#seen = held': [';', 'the same forms once more: it is only slower'],
  }),
  ...at('src/core/redaction.ts', 'if (this.#seen !== held) {', {
    'this.#seen !== held': ['true', 'the same forms once more: it is only slower'],
  }),
  ...at(
    'src/core/replace.ts',
    'const newer = found?.tokens && (!before || compareVersions(found.version, before.version) > 0)',
    { '>': ['>=', 'one version has one token set'] },
  ),
  ...at(
    'src/core/restore.ts',
    'for (const letter of refreshToken ?? accessToken) name = (name * 31 + letter.charCodeAt(0)) % 2 ** 48',
    {
      31: ['(31 + 1)', 'any name does that is the same for the same token'],
      '+': ['-', 'the same'],
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
  ...at('src/core/saving.ts', 'if (settings.clock.monotonic() - since > LATER) break', {
    '>': ['>=', 'how long a store may take that refuses, to a fraction of a millisecond'],
  }),
  ...at('src/core/tokens.ts', 'const LONGEST = 1e15', {
    '1e15': ['(1e15 + 1)', 'a millisecond in thirty thousand years'],
  }),
  ...at('src/core/tokens.ts', 'if (found >= 0) earliest = earliest < found ? earliest : found', {
    '<': ['<=', 'the same number'],
  }),
  ...at('src/core/tokens.ts', 'return found >= 0 && found < LONGEST ? found : Number.NaN', {
    '<': ['<=', 'a millisecond in thirty thousand years'],
  }),
  ...at('src/core/tokens.ts', 'const known = end > (fresh ? now : -1)', {
    1: ['(1 + 1)', 'no time is negative'],
  }),
  ...at('src/core/turns.ts', 'if (!stored || left <= 0) return stored', {
    0: ['(0 + 1)', 'a millisecond of a lease'],
  }),
  ...at('src/core/update.ts', 'if (known.first) await known.first', {
    'known.first': ['true', 'nothing is waited for'],
  }),
  ...['soft', 'hard'].flatMap((window) =>
    at('src/core/validity.ts', `${window}: 0,`, { 0: ['(0 + 1)', 'what has no end is never so near to it'] }),
  ),
  ...at('src/core/validity.ts', 'return Math.max(end - (receivedAt ?? now), 0)', {
    0: ['(0 + 1)', 'what is over has no half of a millisecond left'],
  }),
  ...at('src/transports/axios.ts', 'if (guard && guard.own === own) return guard', {
    'guard && guard.own === own': ['false', 'one for each request is only slower'],
  }),
  ...at('src/transports/axios/answer.ts', 'const { status = 0, headers: all, request } = answer', {
    0: ['(0 + 1)', 'only answers with a status come there'],
  }),
  ...at('src/transports/axios/cancellation.ts', 'if (!signal && !cancelToken && !since) return undefined', {
    '!signal && !cancelToken && !since': ['false', 'then nothing is undone'],
  }),
  ...at('src/transports/axios/config.ts', 'last = sent', {
    'last = sent': [';', 'what is given back twice is given back'],
  }),
  ...at('src/transports/axios/destination.ts', 'if (url === known && url === instance.defaults.baseURL)', {
    'url === known && url === instance.defaults.baseURL': ['false', 'what is known is only quicker'],
  }),
  ...at('src/transports/axios/destination.ts', 'known = url', {
    'known = url': [';', 'what is known is only quicker'],
  }),
  ...at('src/transports/axios/headers.ts', 'if (headerOf(callers, name.toLowerCase()) !== undefined)', {
    'headerOf(callers, name.toLowerCase()) !== undefined': ['true', 'what is not there is deleted in vain'],
  }),
  ...at('src/transports/fetch.ts', 'if (known && written.startsWith(known) && !UNTIDY.test(written))', {
    'known && written.startsWith(known) && !UNTIDY.test(written)': ['false', 'what is known is only quicker'],
  }),
  ...at('src/transports/fetch.ts', 'known = url &&', {
    'known = url && `${url.origin}/`': [';', 'what is known is only quicker'],
  }),
  ...at('src/transports/fetch.ts', 'locationOf(response) ? this.#follow', {
    'locationOf(response)': ['true', 'what leads nowhere is followed nowhere'],
  }),
  ...at('src/core/watch-ends.ts', 'let told = 0', { 0: ['(0 + 1)', 'no session ends then'] }),
  ...at('src/core/watch-ends.ts', 'let longest = 0', { 0: ['(0 + 1)', 'a millisecond'] }),
  ...at('src/core/watch-ends.ts', 'if (epoch !== known.epoch) told = longest = 0', {
    0: ['(0 + 1)', 'no session ends then, and a millisecond'],
  }),
  ...at('src/core/watch-ends.ts', 'const mute = ', {
    '<=': ['<', 'told when it is over, to a millisecond'],
    '<': ['<=', 'apart by a minute, to a millisecond'],
  }),
  ...at('src/core/watch-ends.ts', 'const wait = ', { 0: ['(0 + 1)', 'a millisecond'] }),
  ...at('src/core/watch-ends.ts', 'if (tellIn <= 0) {', { 0: ['(0 + 1)', 'a millisecond'] }),
  ...at('src/transports/fetch.ts', 'if (told) delete members.session', {
    told: ['true', 'what is not there is deleted in vain'],
  }),
  ...at(
    'src/transports/redirects.ts',
    'const getsIt = status === 303 ? !/^(GET|HEAD)$/i.test(method) : status <= 302 && /^POST$/i.test(method)',
    { 302: ['(302 + 1)', '303 is known by then'] },
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
