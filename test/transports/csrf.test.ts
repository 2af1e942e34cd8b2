import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { open } from '../setup.ts'

test('cookie mode: applyToken puts the CSRF token of the last refresh onto each send', async () => {
  const sent: (string | null)[] = []
  let good = 'turned-1'
  let refreshes = 0
  const session = open({
    mode: 'cookie',
    refresh: () => {
      good = `turned-${++refreshes}`
      return Response.json({ csrf: good })
    },
    applyToken: ({ csrf }) => ({ headers: { 'X-CSRF-Token': String(csrf) } }),
  })
  const authFetch = withSession(session, {
    origins: ['https://app.example.com'],
    async fetch(_, init) {
      const csrf = new Headers(init?.headers).get('x-csrf-token')
      sent.push(csrf)
      return new Response(null, { status: csrf === good ? 200 : 401 })
    },
  })
  const post = () =>
    authFetch('https://app.example.com/x', {
      method: 'POST',
      headers: { 'x-csrf-token': 'of-a-former-page' },
    })
  expect((await post()).status).toBe(200)
  good = 'elsewhere'
  expect((await post()).status).toBe(200)
  expect(sent).toEqual(['of-a-former-page', 'turned-1', 'turned-1', 'turned-2'])
})
