import { equal, rejection } from './assert.mjs'
import { arrived, open } from './session.mjs'

const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index)

/** Bodies that can be sent again, by the name under which the server gets them. */
const BODIES = {
  string: () => 'naïve, 2 €',
  form: () => new URLSearchParams('a=1+%26+2&a=%C3%BC'),
  buffer: () => BYTES.slice().buffer,
  view: () => new Uint8Array(BYTES.slice().buffer, 3, 17),
  blob: () => new Blob([BYTES], { type: 'image/x-none' }),
  multipart() {
    const form = new FormData()
    form.append('name', 'Zoë')
    form.append('file', new Blob([BYTES], { type: 'image/x-none' }), 'file.bin')
    return form
  },
}

/**
 * What every transport must do alike.
 *
 * @param attach puts a client into a session's care: `(session, given) => call`, where
 * `call(path, { method, body, signal })` resolves with `{ status, body }` and rejects as the client does
 * @param client what sends the requests
 * @param aborted the name of the client's error for a request that its caller has aborted
 */
export function checksOf(attach, { client, aborted }) {
  return {
    async 'a storm of twenty on a revoked token: one refresh, twenty answers'(given) {
      const session = open(given)
      const call = attach(session, given)
      const ids = Array.from({ length: 20 }, (_, id) => String(id))
      const answers = await Promise.all(ids.map((id) => call(`/api/items?id=${id}`)))
      equal(
        answers.map(({ status, body }) => [status, body.id]),
        ids.map((id) => [200, id]),
        'answers',
      )
      session.close()
    },

    async 'a POST is replayed byte for byte'(given) {
      const session = open(given)
      const call = attach(session, given)
      const answers = await Promise.all(
        Object.entries(BODIES).map(([kind, body]) =>
          call(`/api/effects?id=${kind}`, { method: 'POST', body: body() }),
        ),
      )
      equal(
        answers.map(({ status, body }) => [status, body.id, body.times]),
        Object.keys(BODIES).map((kind) => [200, kind, 1]),
        'answers',
      )
      session.close()
    },

    async 'a caller aborts its request on the wire'(given) {
      const session = open(given)
      const call = attach(session, given)
      const leaving = new AbortController()
      const answer = rejection(call('/api/items?id=held', { signal: leaving.signal }), 'aborted')
      await arrived(given)
      leaving.abort()
      equal((await answer).name, aborted, 'error')
      session.close()
    },

    async 'a caller leaves while its request is held'(given) {
      const { access_token, refresh_token } = given.tokens
      const tokens = { accessToken: access_token, refreshToken: refresh_token, expiresAt: 1 }
      const session = open({ ...given, tokens })
      const call = attach(session, given)
      const leaving = new AbortController()
      const answer = rejection(call('/api/items?id=left', { signal: leaving.signal }), 'aborted')
      await arrived(given)
      leaving.abort()
      equal((await answer).name, aborted, 'error')
      // The refresh belongs to nobody's signal.
      await fetch(`${given.url}/release`, { method: 'POST' })
      equal((await call('/api/items?id=next')).status, 200, 'the next request')
      session.close()
    },

    async 'a redirect to another origin takes no Authorization along'(given) {
      const session = open(given)
      const redirected = await whatBecameOf(attach(session, given)('/away'), client)
      session.close()
      return redirected
    },

    async 'a redirect to another origin takes no header of applyToken along'(given) {
      const applyToken = ({ accessToken }) => ({ headers: { 'X-Access-Token': accessToken } })
      const session = open(given, { applyToken })
      const call = attach(session, given)
      // Without a redirect it arrives.
      equal((await call('/seen')).status, 200, 'status')
      const redirected = await whatBecameOf(call('/away'), client)
      session.close()
      return redirected
    },
  }
}

/** Whether a redirect was followed, and by whom. */
async function whatBecameOf(answer, client) {
  const [{ value, reason }] = await Promise.allSettled([answer])
  const { status } = value ?? reason.response ?? {}
  if (status === 200) return `followed by ${client}`
  return status ? `its caller gets the ${status}` : `refused with ${reason.name}`
}
