/**
 * Three ways to keep an axios app signed in. This file runs in Node and, unchanged, in the page.
 */
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { redeemCode, refreshTokenGrant } from 'refresh-once/oauth'
import { INTERCEPTORS } from './interceptors.mjs'

/** A way takes an axios instance and what a backend offers, and returns what signs in and out. */
export const WAYS = [
  ...INTERCEPTORS,
  { id: 'refresh-once', title: 'refresh-once', hint: 'attachSession(api, session)', install: refreshOnce },
]

/** The built package, as an app uses it that is a public client of an authorization server. */
function refreshOnce(api, { issuer, client, dpop, trace, tell }) {
  const grant = refreshTokenGrant({ issuer, clientId: client, dpop })
  const session = createSession(grant)
  attachSession(api, session)
  session.observe((event) => {
    tell?.(event)
    for (const part of readSessionEvent(event)) trace(part)
  })
  return {
    signIn: async (code) => session.signIn(await redeemCode({ grant, ...code })),
    signOut: () => session.signOut({ server: grant.revoke }),
    close: () => session.close(),
  }
}

/**
 * One lane: a user with an axios app. `trace` gets everything that happens in it, in the same words for all
 * three: `called`, `sent`, `answered`, `recalled`, `settled` of a call; `refresh-begun`, `refresh-ended`.
 *
 * @param fetch with cookies
 * @param issuer of the authorization server, and `client` the id that the lane has there
 * @param dpop signs what is sent, where the way can do that
 * @param tell gets the events of a session, where the way has one
 */
export function createLane(way, { origin, issuer, client, dpop, fetch, trace: listener, tell }) {
  const trace = (event) => listener({ at: Date.now(), ...event })
  const api = axios.create({ baseURL: `${origin}/api`, proxy: false })
  const post = (path) => fetch(`${origin}${path}`, { method: 'POST', credentials: 'include' })
  // refresh-once tells its own story by `session.observe`; the other two have nothing of the kind.
  const ownStory = way.install === refreshOnce
  let refreshes = 0

  async function refresh() {
    const id = ++refreshes
    trace({ type: 'refresh-begun', refresh: id })
    let ok = false
    try {
      const response = await post('/auth/refresh')
      if (!response.ok) throw new Error(`the refresh was answered with ${response.status}`)
      const { access_token } = await response.json()
      ok = true
      return access_token
    } finally {
      trace({ type: 'refresh-ended', refresh: id, ok })
    }
  }

  const made = (instance) => traceWire(instance, trace)
  const app = way.install(api, { refresh, issuer, client, dpop, trace, tell, made })
  // Some packages make the instance by themselves, and say so.
  if (!ownStory && !app.client) traceWire(api, trace)

  return {
    way,

    async signIn() {
      const response = await post(ownStory ? '/auth/login?public' : '/auth/login')
      if (!response.ok) throw new Error(`the sign-in was answered with ${response.status}`)
      await app.signIn(await response.json())
    },

    signOut: () => app.signOut(() => post('/auth/logout')),

    /** Makes one call. Resolves when it is settled, well or badly. */
    async call({ call, method, path, late, work }) {
      trace({ type: 'called', call, method, path, late })
      const params = { ...(late && { late }), ...(work && { work }) }
      let ok = true
      let status = 0
      try {
        const data = method === 'POST' ? { data: { call } } : {}
        status = (await (app.client?.() ?? api).request({ method, url: `${path}/${call}`, params, ...data }))
          .status
      } catch (error) {
        ok = false
        status = error.response?.status ?? 0
      }
      if (!ownStory) trace({ type: 'settled', call, ok, status })
    },

    /** As after the page was loaded anew, where what went wrong would last. */
    renew: () => app.renew?.(),

    close: () => app.close?.(),
  }
}

/** Watches an axios instance where its requests meet the network. */
function traceWire(api, trace) {
  const adapter = axios.getAdapter(api.defaults.adapter)
  api.defaults.adapter = async (config) => {
    const call = callOf(config.url)
    trace({ type: 'sent', call })
    try {
      const response = await adapter(config)
      trace({ type: 'answered', call, status: response.status })
      return response
    } catch (error) {
      trace({ type: 'answered', call, status: error.response?.status ?? 0 })
      throw error
    }
  }
}

/** What an event of a session means in the words of a lane. */
function readSessionEvent(event) {
  const { type, at, request } = event
  const call = request && callOf(request.url)
  switch (type) {
    case 'request-sent':
    case 'request-replayed':
      return [{ type: 'sent', at, call }]
    case 'request-rejected':
      return [{ type: 'answered', at, call, status: event.status }]
    case 'request-recalled':
      return [{ type: 'recalled', at, call }]
    case 'request-settled':
      return [{ type: 'settled', at, call, ok: event.ok, status: event.status }]
    case 'refresh-started':
      return [{ type: 'refresh-begun', at, refresh: 0 }]
    case 'refresh-succeeded':
    case 'refresh-adopted':
    case 'refresh-failed':
    case 'signed-out':
      return [{ type: 'refresh-ended', at, refresh: 0, ok: type !== 'refresh-failed' }]
    default:
      return []
  }
}

/** The number of a call is the last part of its URL. */
function callOf(url) {
  return Number(/(\d+)$/.exec(url)?.[1])
}
