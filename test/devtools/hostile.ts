import { request, storyOf } from './events.ts'

/** Tokens of all makes, each with the part by which it is known. */
export const TOKENS = [
  'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg',
  '8xLOxBtZp8dK2mQ7vWc4nRf',
  '550e8400-e29b-41d4-a716-446655440000',
  'gho_16C7e42F292c6912E7710c838347Ae178B4a',
  'mF_9.B5f-4.1JqM',
  'AQABAAAAAAD--DLA3VO7QrddgJg7WevrAGcHC/RvBDT7Tl+Tk=',
]

/** Each place of an event where a stranger may write. */
export function hostileOf(token: string): unknown[] {
  const said = `Bearer ${token}, again access_token=${token}&x=1 {"refresh_token": "${token}"} ${encodeURIComponent(`token="${token}"`)}`
  const url = `https://${token}:${token}@api.test/reset/${token}/x?access_token=${token}#id_token=${token}`
  const about = request(1, 1, {
    url,
    method: token,
    headers: { authorization: `Bearer ${token}` },
    body: token,
  })
  const others = { accessToken: token, tokens: { accessToken: token, refreshToken: token }, [token]: token }
  return [
    ...storyOf(
      [0, { type: 'request-sent', request: about, ...others }, { signIn: token }],
      [1, { type: 'request-rejected', request: about, status: 401, challenge: said, ...others }],
      [2, { type: 'refresh-started', reason: token }],
      [3, { type: 'refresh-failed', code: token, message: said, retryAt: 1 }],
      [4, { type: 'degraded', reason: said }],
      [5, { type: 'request-settled', request: about, ok: false, status: token, code: token }],
      [6, { type: 'request-ignored', request: about, reason: token }],
      [7, { type: 'signed-out', reason: token }],
    ),
    { ...storyOf([8, { type: 'updated' }])[0], state: { status: token, signIn: token, accessToken: token } },
    { type: token, at: 9, state: {} },
    { type: '__proto__', at: 9, state: {}, token },
    token,
    null,
  ]
}
