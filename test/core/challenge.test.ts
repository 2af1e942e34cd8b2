import fc from 'fast-check'
import { type Challenge, parseChallenges } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { remedyOf } from '../../src/core/challenge.ts'

/** Challenges with plain objects for parameters. */
function parsed(header: unknown): Challenge[] {
  return parseChallenges(header).map(({ scheme, parameters }) => ({ scheme, parameters: { ...parameters } }))
}

describe('a WWW-Authenticate header', () => {
  test.each([null, undefined, '', ' ', ',', ', ,'])('%j has no challenge', (header) => {
    expect(parsed(header)).toEqual([])
  })

  test('of one challenge', () => {
    expect(
      parsed('Bearer realm="api", error="invalid_token", error_description="The token has expired"'),
    ).toEqual([
      {
        scheme: 'bearer',
        parameters: { realm: 'api', error: 'invalid_token', error_description: 'The token has expired' },
      },
    ])
  })

  test('of a scheme alone', () => {
    expect(parsed('Bearer')).toEqual([{ scheme: 'bearer', parameters: {} }])
    expect(parsed('Negotiate, Basic realm="x"')).toEqual([
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
    ])
    expect(parsed('Negotiate,NTLM')).toEqual([
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'ntlm', parameters: {} },
    ])
  })

  test('of several challenges: the example of RFC 9110 §11.6.1', () => {
    expect(parsed('Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""')).toEqual(
      [
        { scheme: 'basic', parameters: { realm: 'simple' } },
        { scheme: 'newauth', parameters: { realm: 'apps', type: '1', title: 'Login to "apps"' } },
      ],
    )
  })

  test('with quoted pairs', () => {
    expect(parsed('Bearer a="\\"", b="\\\\", c="\\\\\\"", d="x\\y", e=""')).toEqual([
      { scheme: 'bearer', parameters: { a: '"', b: '\\', c: '\\"', d: 'xy', e: '' } },
    ])
  })

  test('with what looks like a challenge in a quoted string', () => {
    expect(
      parsed(
        'Bearer error_description="x, Bearer error=\\"insufficient_scope\\", y=z", error="invalid_token"',
      ),
    ).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          error_description: 'x, Bearer error="insufficient_scope", y=z',
          error: 'invalid_token',
        },
      },
    ])
  })

  test('with unquoted values, spaces around `=`, and empty list elements', () => {
    expect(parsed(',, Bearer  error = invalid_token ,, ,max_age= 5\t, scope ="a b", ')).toEqual([
      { scheme: 'bearer', parameters: { error: 'invalid_token', max_age: '5', scope: 'a b' } },
    ])
  })

  test('in any case of letters: schemes and names are in lower case, values as they came', () => {
    expect(parsed('BEARER Error="Invalid_Token"')).toEqual([
      { scheme: 'bearer', parameters: { error: 'Invalid_Token' } },
    ])
  })

  test.each([
    ['in any case', 'Bearer ERROR="insufficient_scope"', 'none'],
    ['with spaces', 'Bearer error\t= "insufficient_scope"', 'none'],
    ['without quotes', 'Bearer error=insufficient_scope, scope=a', 'none'],
    ['after others', 'Basic realm="a, b", DPoP algs="ES256", error=use_dpop_nonce', 'nonce'],
    ['in one of several', 'Bearer error="insufficient_scope", DPoP error="invalid_token"', 'refresh'],
    ['that is only the end of one', 'Bearer x-error="insufficient_scope"', 'refresh'],
    ['that is only the beginning of one', 'Bearer error_uri="insufficient_scope"', 'refresh'],
    ['that is only the value of one', 'Bearer scope=error, x="error=insufficient_scope"', 'refresh'],
  ])('asks by its errors, under a name %s', (_, header, remedy) => {
    expect(remedyOf(header)).toBe(remedy)
  })

  test('with a name twice: the first one counts', () => {
    expect(parsed('Bearer error="invalid_token", ERROR="insufficient_scope"')).toEqual([
      { scheme: 'bearer', parameters: { error: 'invalid_token' } },
    ])
  })

  test('with the names of the prototype', () => {
    const [challenge] = parseChallenges('Bearer __proto__="x", constructor="y"')
    expect(Object.entries(challenge?.parameters ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
    expect(parseChallenges('Bearer')[0]?.parameters.constructor).toBeUndefined()
    expect(parseChallenges('Bearer')[0]?.parameters.toString).toBeUndefined()
  })

  test.each([
    ['padded', 'Negotiate oRQwEqADCgEBoQsGCSqGSIb3EgECAg==, Bearer error="invalid_token"'],
    ['padded once', 'Negotiate oRQwEqADCgEBoQsGCSqGSIb3EgECAgA=, Bearer error="invalid_token"'],
    ['not padded', 'Negotiate oRQwEqADCgEBoQsGCSqGSIb3EgEC, Bearer error="invalid_token"'],
    ['with slashes', 'Negotiate YII/ab+c/d==, Bearer error="invalid_token"'],
    ['that reads like a parameter', 'Negotiate error=, Bearer error="invalid_token"'],
    ['that reads like an error', 'Negotiate insufficient_scope, Bearer error="invalid_token"'],
    ['at the end of the header', 'Bearer error="invalid_token", Negotiate YII=='],
  ])('with a token68 %s: it is passed over, and is no scheme', (_, header) => {
    const challenges = parsed(header).sort((a, b) => a.scheme.localeCompare(b.scheme))
    expect(challenges).toEqual([
      { scheme: 'bearer', parameters: { error: 'invalid_token' } },
      { scheme: 'negotiate', parameters: {} },
    ])
  })

  test.each([
    ['a list', ['Basic realm="x"', 'Bearer error="insufficient_scope"']],
    ['a list of one', ['Basic realm="x", Bearer error="insufficient_scope"']],
    ['a list with holes', [undefined, 'Basic realm="x"', null, '', 'Bearer error="insufficient_scope"']],
    ['a list in a list', ['Basic realm="x"', ['Bearer error="insufficient_scope"']]],
    ['bytes', Buffer.from('Basic realm="x", Bearer error="insufficient_scope"')],
    ['an object that is a text', Object('Basic realm="x", Bearer error="insufficient_scope"')],
  ])('that comes as %s is read', (_, header) => {
    expect(parsed(header)).toEqual([
      { scheme: 'basic', parameters: { realm: 'x' } },
      { scheme: 'bearer', parameters: { error: 'insufficient_scope' } },
    ])
    expect(remedyOf(header)).toBe('none')
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['an empty list', []],
    ['a list of nothing', [undefined, null]],
    ['a number', 7],
    ['false, which axios calls a header that was deleted', false],
    ['an object', {}],
    ['an object without a text', Object.create(null)],
    ['a list of such objects', [Object.create(null)]],
    ['a symbol', Symbol('x')],
    ['a function', () => {}],
  ])('that comes as %s asks for nothing in particular, and throws nothing', (_, header) => {
    for (const { parameters } of parseChallenges(header)) expect({ ...parameters }).toEqual({})
    expect(remedyOf(header)).toBe('refresh')
  })

  test('whose quoted string never closes: the rest is in it', () => {
    expect(parsed('Basic realm="x, Bearer error=insufficient_scope, a=b')).toEqual([
      { scheme: 'basic', parameters: {} },
    ])
    expect(remedyOf('Basic realm="x, Bearer error=insufficient_scope, a=b')).toBe('refresh')
    expect(parsed('Bearer error="invalid_token", a="\\"')).toEqual([
      { scheme: 'bearer', parameters: { error: 'invalid_token' } },
    ])
  })

  test.each([
    'Bearer error="invalid_token',
    'Bearer error="invalid_token\\',
    'Bearer error="',
    'Bearer error=',
    '="x"',
    'error="insufficient_scope"',
    'Bearer @@@ error="x"',
    '\u0000\u0001é🔑',
  ])('that is malformed (%j) neither throws nor invents an error', (header) => {
    for (const { parameters } of parseChallenges(header)) {
      expect(parameters.error).toBeOneOf([undefined, 'x'])
    }
  })
})

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
const token = fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1, maxLength: 12 })
/** What a quoted string may hold: HTAB, SP, visible ASCII (RFC 9110 §5.6.4). */
const text = fc.string({
  unit: fc.constantFrom('\t', ...Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n))),
  maxLength: 20,
})
const challenge = fc.record({
  scheme: token,
  parameters: fc.uniqueArray(fc.tuple(token, text), {
    selector: ([name]) => name,
    minLength: 1,
    maxLength: 5,
  }),
})

function written(challenges: { scheme: string; parameters: [string, string][] }[]): string {
  return challenges
    .map(({ scheme, parameters }) => {
      const list = parameters.map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`)
      return `${scheme} ${list.join(', ')}`
    })
    .join(', ')
}

describe('for every header', () => {
  test('nothing is thrown, and every scheme and name is a token in lower case', () => {
    const word = fc.constantFrom(
      'Bearer',
      'DPoP',
      'error',
      '=',
      '"',
      '\\',
      ',',
      ' ',
      '\t',
      'a',
      '/',
      '==',
      'é',
      '\u0000',
      '\n',
    )
    const header = fc.oneof(
      fc.array(fc.nat(0xffff), { maxLength: 80 }).map((codes) => String.fromCharCode(...codes)),
      fc.array(word, { maxLength: 60 }).map((words) => words.join('')),
    )
    fc.assert(
      fc.property(header, (header) => {
        const challenges = parseChallenges(header)
        const names = challenges.flatMap(({ scheme, parameters }) => [scheme, ...Object.keys(parameters)])
        const values = challenges.flatMap(({ parameters }) => Object.values(parameters))
        return (
          names.every((name) => /^[\w!#$%&'*+.^`|~-]+$/.test(name) && name === name.toLowerCase()) &&
          values.every((value) => typeof value === 'string')
        )
      }),
      { numRuns: 500 },
    )
  })

  test('what is written by the grammar is read back', () => {
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (challenges) => {
        expect(
          parseChallenges(written(challenges)).map(({ scheme, parameters }) => [
            scheme,
            Object.entries(parameters),
          ]),
        ).toEqual(
          challenges.map(({ scheme, parameters }) => [
            scheme,
            // Objects put names that are integers first.
            Object.entries(Object.assign(Object.create(null), Object.fromEntries(parameters))),
          ]),
        )
      }),
      { numRuns: 500 },
    )
  })

  test('nothing of a quoted string gets out of it', () => {
    fc.assert(
      fc.property(text, (description) => {
        const header = written([
          {
            scheme: 'bearer',
            parameters: [
              ['error_description', description],
              ['error', 'invalid_token'],
            ],
          },
        ])
        expect(parsed(header)).toEqual([
          { scheme: 'bearer', parameters: { error_description: description, error: 'invalid_token' } },
        ])
      }),
      { numRuns: 500 },
    )
  })
})

/** As headers were read before, and in up to quadratic time: a reference for those that keep to the grammar. */
const FORMER = {
  piece:
    /([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+))|[ \t]+[\w.~+/-]+=*(?=[ \t]*(?:,|$)))?/g,
  errors: /\berror[ \t]*=[ \t]*"?(\w+)"?|"(?:[^"\\]|\\.)*"/gi,
}

function formerlyParsed(header: string): Challenge[] {
  const challenges: Challenge[] = []
  for (const [, name = '', quoted, token] of header.matchAll(FORMER.piece)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? token
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: Object.create(null) })
    else {
      const parameters = challenges.at(-1)?.parameters
      if (parameters) parameters[name.toLowerCase()] ??= value
    }
  }
  return challenges
}

function formerRemedy(header: string): string {
  const errors = Array.from(header.matchAll(FORMER.errors), ([, error]) => error).join(' ')
  if (/use_dpop_nonce/.test(errors)) return 'nonce'
  return /insufficient_|invalid_request/.test(errors) && !/invalid_token/.test(errors) ? 'none' : 'refresh'
}

describe('a header that keeps to the grammar', () => {
  const space = fc.constantFrom('', ' ', '\t', '  ')
  const quoted = text.map((value) => `"${value.replace(/["\\]/g, '\\$&')}"`)
  const error = fc.constantFrom(
    'error="invalid_token"',
    'error=insufficient_scope',
    'error="use_dpop_nonce"',
    'Error = "invalid_request"',
    'error_description="error=\\"insufficient_scope\\""',
  )
  const parameter = fc.oneof(
    error,
    fc
      .tuple(token, space, space, fc.oneof(quoted, token))
      .map(([name, before, after, value]) => `${name}${before}=${after}${value}`),
  )
  const token68 = fc
    .tuple(fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,30}$/), fc.constantFrom('', '=', '=='))
    .map((parts) => parts.join(''))
  const content = fc.oneof(
    fc.constant(''),
    token68.map((text) => ` ${text}`),
    fc
      .tuple(fc.array(parameter, { minLength: 1, maxLength: 5 }), space)
      .map(([parameters, after]) => ` ${parameters.join(`${after}, `)}`),
  )
  const header = fc
    .array(
      fc.tuple(token, content, space).map(([scheme, rest, after]) => `${scheme}${rest}${after}`),
      { minLength: 1, maxLength: 4 },
    )
    .chain((challenges) => fc.constantFrom(', ', ',', ' ,, , ').map((comma) => challenges.join(comma)))

  test('is read as ever', () => {
    fc.assert(
      fc.property(header, (header) => {
        // Names like `__proto__` are no parameters of the reference.
        fc.pre(!/__proto__/i.test(header))
        expect(parsed(header)).toEqual(formerlyParsed(header))
        expect(remedyOf(header)).toBe(formerRemedy(header))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a header of 10 MB', () => {
  /** Milliseconds of processor time, the least of some runs: other processes do not count. */
  function cost(header: string): number {
    let least = Number.POSITIVE_INFINITY
    for (let run = 0; run < 5; run++) {
      const before = process.cpuUsage()
      parseChallenges(header)
      const { user, system } = process.cpuUsage(before)
      least = Math.min(least, user + system)
    }
    // One microsecond is the least that can be told.
    return Math.max(least, 1) / 1000
  }

  const HOSTILE: [string, (length: number) => string][] = [
    ['one long name', (length) => 'a'.repeat(length)],
    ['many schemes', (length) => 'a '.repeat(length / 2)],
    ['many parameters', (length) => `Bearer ${'a=b, '.repeat(length / 5)}`],
    ['spaces before an `=` that never comes', (length) => `Bearer a${' '.repeat(length)}b`],
    ['spaces after many names', (length) => `a${' '.repeat(50)}`.repeat(length / 51)],
    ['spaces after an `=`', (length) => `Bearer a=${' '.repeat(length)}`],
    ['a quote that never closes', (length) => `Bearer a="${'x'.repeat(length)}`],
    ['quoted pairs in a quote that never closes', (length) => `Bearer a="${'\\"'.repeat(length / 2)}`],
    ['backslashes in a quote that never closes', (length) => `Bearer a="${'\\'.repeat(length)}`],
    ['quotes that never close, one in another', (length) => 'a="\\'.repeat(length / 4)],
    ['many quotes', (length) => 'a="'.repeat(length / 3)],
    ['many `=`', (length) => `Bearer ${'='.repeat(length)}`],
    ['many commas', (length) => ','.repeat(length)],
    ['letters that are none', (length) => '\u0000é'.repeat(length / 2)],
    ['quotes and backslashes', (length) => '"\\'.repeat(length / 2)],
    ['backslashes and quotes', (length) => '\\"'.repeat(length / 2)],
    ['backslashes and line ends in quotes', (length) => 'a="\\\n'.repeat(length / 5)],
    ['names of errors', (length) => 'error'.repeat(length / 5)],
    ['errors without a value', (length) => 'error '.repeat(length / 6)],
    ['errors in quotes that never close', (length) => 'error="\\"'.repeat(length / 9)],
    ['errors before spaces', (length) => `error${' '.repeat(60)}`.repeat(length / 65)],
    ['an error before spaces', (length) => `error=${' '.repeat(length)}`],
    ['token68s that go on', (length) => 'a b/b '.repeat(length / 6)],
    ['a long token68 that goes on', (length) => `a ${'b/'.repeat(length / 2)} c`],
    ['padding that goes on', (length) => `a b${'='.repeat(length)}c`],
    ['spaces behind a token68', (length) => `a b${' '.repeat(length)}c`],
    ['quotes after `=` and spaces', (length) => `a=${' '.repeat(20)}"\\`.repeat(length / 24)],
    ['one quote after many names', (length) => `${'a,'.repeat(length / 2 - 1)}="`],
  ]

  test.each(HOSTILE)('%s: takes at most in proportion to its length', (_, make) => {
    const small = 2 ** 13
    const large = 10 * 2 ** 20
    parseChallenges(make(small))
    // 1,280 times as long. In quadratic time it would take 1.6 million times as long, and hours.
    expect(cost(make(large)) / cost(make(small))).toBeLessThan((large / small) * 8)
  })

  test.each(HOSTILE)('%s: below the size at which one gives up, too', (_, make) => {
    const small = 2 ** 8
    const large = 2 ** 13
    parseChallenges(make(small))
    const repeated = (length: number) => {
      const header = make(length)
      const before = process.cpuUsage()
      for (let run = 0; run < 60; run++) parseChallenges(header)
      const { user, system } = process.cpuUsage(before)
      return Math.max(user + system, 1)
    }
    const least = (length: number) => Math.min(...Array.from({ length: 5 }, () => repeated(length)))
    least(small)
    // 32 times as long; in quadratic time it would take 1,024 times as long.
    expect(least(large) / least(small)).toBeLessThan(32 * 8)
  })

  test.each(HOSTILE)('%s: twice as long takes twice as long, for both who read it', (_, make) => {
    for (const read of [parseChallenges, remedyOf]) {
      const [short, long] = [make(4_000), make(8_000)]
      // As often as it takes to be measured, whoever else uses the processor.
      const spent = (header: string, runs: number): number => {
        const before = process.cpuUsage()
        for (let run = 0; run < runs; run++) read(header)
        const { user, system } = process.cpuUsage(before)
        return user + system
      }
      let runs = 16
      while (spent(short, runs) < 2_000 && runs < 4_096) runs *= 2
      const ratios = Array.from({ length: 7 }, () => spent(long, runs) / Math.max(spent(short, runs), 1))
      // In quadratic time it would be four times as long.
      expect(ratios.sort((a, b) => a - b)[3], read.name).toBeLessThan(3)
    }
  })

  test('the challenge at its beginning is still read', () => {
    const header = `Bearer error="insufficient_scope", ${'x="y", '.repeat(1_500_000)}`
    expect(header.length).toBeGreaterThan(10 * 2 ** 20)
    expect(parseChallenges(header)[0]).toMatchObject({
      scheme: 'bearer',
      parameters: { error: 'insufficient_scope', x: 'y' },
    })
  })
})
