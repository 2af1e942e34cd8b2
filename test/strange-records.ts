/** Records that nobody of ours has written: another format, a garbled write, a forgery. */
import type { Stored } from 'refresh-once'

const TOKENS = { accessToken: 'forged', refreshToken: 'forged-r' }
const EPOCH = '0019000000000000.5'

const of = (version: object, members: object = { tokens: TOKENS }): unknown => ({
  version: { epoch: EPOCH, generation: 1, nonce: 'n', ...version },
  ...members,
})

/** By what is wrong with them. Most are greater than anything that is ever written by us. */
export const STRANGE: Record<string, unknown> = {
  'an epoch that is a text': of({ epoch: 'v2:2026-11-29' }),
  'an epoch of twenty nines': of({ epoch: '9'.repeat(20) }),
  'the last epoch that there is': of({ epoch: `${'9'.repeat(15)}0.5` }),
  'an epoch in ISO format': of({ epoch: '2026-11-29T11:00:00.000Z' }),
  'an epoch that is too short': of({ epoch: '9' }),
  'an epoch with letters behind its time': of({ epoch: `${'8'.repeat(15)}zz` }),
  'an epoch of other digits': of({ epoch: '٩'.repeat(15) }),
  'an epoch of two lines': of({ epoch: `${EPOCH}\n` }),
  'an epoch that is a number': of({ epoch: 9e14 }),
  'an epoch in a list': of({ epoch: [EPOCH] }),
  'no epoch': of({ epoch: undefined }),
  'a generation beyond all': of({ generation: Number.MAX_SAFE_INTEGER }),
  'a generation that no number is exact for': of({ generation: 2 ** 53 }),
  'a generation without an end': of({ generation: 1e300 }),
  'a generation that is a fraction': of({ generation: 1.5 }),
  'a generation below zero': of({ generation: -1 }),
  'a generation that is a text': of({ generation: '1' }),
  'no nonce': of({ nonce: null }),
  'a version that is a list': { version: [EPOCH, 1, 'n'], tokens: TOKENS },
  'tokens that are a list': of({}, { tokens: [] }),
  'tokens that are a text': of({}, { tokens: 'forged' }),
  'an access token that is a list': of({}, { tokens: { accessToken: ['forged'] } }),
  'an end that is none of ours': of({}, { ended: 'maybe' }),
  'an end that is true': of({}, { ended: true }),
  'an end in a list': of({}, { ended: ['rejected'] }),
}

/** Members without which the record is a good one. */
export const ODD: Record<string, object> = {
  'a cooldown that is a text': { notBefore: 'x' },
  'a cooldown that is null': { notBefore: null },
  'a cooldown that is a list': { notBefore: [1_900_000_000_000] },
  'a reservation that is empty': { pending: {} },
  'a reservation that is a text': { pending: 'x' },
  'a reservation that is null': { pending: null },
  'a reservation of a text': { pending: { generation: 'x', until: 1 } },
  'a reservation beyond all': { pending: { generation: 1e300, until: 1 } },
  'a reservation that has no next one': { pending: { generation: 999_999_999_999_999, until: 1 } },
  'a reservation until a text': { pending: { generation: 5, until: 'x' } },
}

/** A record of ours, with such members. */
export function withOdd(odd: object, version?: Partial<Stored['version']>): Stored {
  return { ...(of(version ?? {}, { tokens: { accessToken: 'mine', refreshToken: 'r' } }) as Stored), ...odd }
}
