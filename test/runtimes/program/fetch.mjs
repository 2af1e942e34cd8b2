import { findSessionError } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { equal, rejection } from './assert.mjs'
import { arrived, open } from './session.mjs'
import { checksOf } from './transports.mjs'

const attach = (session, { url }) => withSession(session, { origins: [url] })

const shared = checksOf(
  (session, given) => {
    const api = attach(session, given)
    return async (path, init) => {
      const response = await api(given.url + path, init)
      const text = await response.text()
      return { status: response.status, body: text && JSON.parse(text) }
    }
  },
  { client: 'fetch', aborted: 'AbortError' },
)

const bytes = () => new TextEncoder().encode('one, two and €')

function stream() {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes())
      controller.close()
    },
  })
}

/** Browsers send streams over HTTP/2 only. */
async function sendsStreams({ url }) {
  const init = { method: 'POST', body: stream(), duplex: 'half' }
  const answer = await fetch(`${url}/seen`, init).catch(() => undefined)
  return answer?.ok === true
}

export const fetching = {
  ...shared,

  async 'a recalled request is sent again, and its signal is its caller’s'(given) {
    const session = open(given, { recall: 'safe', recallAfter: 20 })
    const api = attach(session, given)
    const { signal } = new AbortController()
    const slow = api(`${given.url}/api/late?id=slow`, { signal })
    await arrived(given)
    const quick = api(`${given.url}/api/items?id=quick`, { signal })
    const answers = await Promise.all([slow, quick])
    equal(
      await Promise.all(answers.map(async (answer) => (await answer.json()).id)),
      ['slow', 'quick'],
      'answers',
    )
    equal(signal.aborted, false, 'the signal of the caller')
    session.close()
  },

  async 'a caller aborts while its request is recalled'(given) {
    const session = open(given, { recall: 'safe', recallAfter: 20 })
    const api = attach(session, given)
    const leaving = new AbortController()
    session.observe(({ type }) => type === 'request-recalled' && leaving.abort())
    const slow = rejection(api(`${given.url}/api/late?id=slow`, { signal: leaving.signal }), 'aborted')
    await arrived(given)
    const quick = api(`${given.url}/api/items?id=quick`)
    equal((await slow).name, 'AbortError', 'error')
    equal((await (await quick).json()).id, 'quick', 'the other request')
    session.close()
  },

  async 'a Request with a body is replayed byte for byte'(given) {
    const session = open(given)
    const api = attach(session, given)
    const request = new Request(`${given.url}/api/effects?id=request`, {
      method: 'POST',
      headers: { 'content-type': 'text/x-none' },
      body: bytes(),
    })
    const response = await api(request)
    equal(await response.json(), { id: 'request', times: 1, user: 'alice' }, 'answer')
    session.close()
  },

  async 'a stream gets its own 401, and is not sent again'(given) {
    if (!(await sendsStreams(given))) return 'sends no streams over HTTP/1.1'
    const session = open(given)
    const api = attach(session, given)
    const init = { method: 'POST', body: stream(), duplex: 'half' }
    const response = await api(`${given.url}/api/effects?id=stream`, init)
    equal(response.status, 401, 'status')
    equal(findSessionError(response)?.code, 'not_replayable', 'why')
    equal((await api(`${given.url}/api/items?id=next`)).status, 200, 'the next request')
    session.close()
  },

  async 'a stream from a factory is replayed byte for byte'(given) {
    if (!(await sendsStreams(given))) return 'sends no streams over HTTP/1.1'
    const session = open(given)
    const api = attach(session, given)
    const init = { method: 'POST', session: { body: stream } }
    const response = await api(`${given.url}/api/effects?id=factory`, init)
    equal(response.status, 200, 'status')
    session.close()
  },

  async 'a 401 that a redirect to another origin led to starts no refresh'(given) {
    const session = open(given)
    const api = attach(session, given)
    const response = await api(`${given.url}/away?status=401`)
    equal([response.status, findSessionError(response)?.code], [401, undefined], 'answer')
    session.close()
  },
}
