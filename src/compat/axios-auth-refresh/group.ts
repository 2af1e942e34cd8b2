import { type AxiosError, AxiosHeaders, type InternalAxiosRequestConfig } from 'axios'
import { findSessionError, isSessionError } from '../../core/errors.ts'
import type { Session } from '../../core/session.ts'
import { openUntold } from '../session.ts'
import { madeOf } from './made.ts'
import { unread } from './network.ts'
import type { AxiosAuthRefreshOptions } from './options.ts'
import { isFor, type Registration, standing } from './registration.ts'
import { learn, type Replaced } from './replaced.ts'

/** What shares one refresh: the instances that were given the same function, and the calls for one instance. */
export interface Group {
  session: Session
  /** What led to the refresh that is made now, or next. */
  failed: { error: AxiosError; by: Registration } | undefined
  /** What the last refresh has failed with. */
  failure: { error: unknown } | undefined
  /** How many refreshes have succeeded. */
  refreshes: number
  replaced: Replaced
}

export function openGroup({ maxRetries: replays, deadline }: AxiosAuthRefreshOptions): Group {
  const group: Group = {
    failed: undefined,
    failure: undefined,
    refreshes: 0,
    replaced: new Map(),
    session: openUntold({
      refresh: () => refresh(group),
      shouldRefresh(error) {
        const read = transformed(error)
        for (const by of standing(madeOf(error.config)?.registrations)) {
          const leads = isFor(read, unread.has(error), by.options)
          if (leads === false) continue
          if (!group.session.state.refreshing) group.failed = { error: read, by }
          return leads
        }
        return false
      },
      replays,
      deadline,
    }),
  }
  return group
}

/** Calls the app's function, and takes over what it has changed in the request that led to it. */
async function refresh(group: Group): Promise<void> {
  const { error, by } = group.failed as NonNullable<Group['failed']>
  const config = (error.response ?? error).config as InternalAxiosRequestConfig
  const made = madeOf(config)
  const before = { ...config, headers: { ...AxiosHeaders.from(config.headers) } }
  const defaults = { ...made?.defaults() }
  group.failure = undefined
  try {
    await by.refreshAuthCall(error)
  } catch (failure) {
    group.failure = { error: failure }
    throw failure
  }
  // Some put another config in its place.
  for (const { config: now } of [error, Object(error.response)])
    if (now !== config) Object.assign(config, now)
  const after = AxiosHeaders.from(config.headers)
  if (made) {
    for (const key of ['url', 'baseURL', 'params'] as const)
      if (config[key] !== before[key]) made[key] = config[key]
    if (config.data !== before.data) made.body = { data: config.data }
    // Some put it into the defaults of the instance, and take it away here.
    const fresh = made.defaults()
    learn(group.replaced, undefined, defaults, fresh)
    for (const name in before.headers) {
      if (after.has(name)) continue
      made.headers.delete(name)
      if (fresh.has(name)) made.headers.set(name, fresh.get(name))
    }
  }
  learn(group.replaced, made?.headers, before.headers, after)
  group.failed = undefined
  group.refreshes++
}

/** An error as the app sees it: until now its answer has come through no transform. */
function transformed(error: AxiosError): AxiosError {
  const { config, response } = error
  if (!config || !response) return error
  const read = { ...response }
  try {
    for (const transform of [config.transformResponse ?? []].flat())
      read.data = transform.call(config, read.data, response.headers as never, response.status)
  } catch {
    // Its caller will hear of it.
  }
  return Object.assign(Object.create(error), { response: read })
}

/** What the caller gets: what the refresh has failed with, as if nothing stood between. */
export function reasonOf(error: unknown, { session, failure }: Group): unknown {
  if (unread.has(Object(error))) delete (error as AxiosError).response
  // The refresh hangs, and is not made again while it does. Whoever has logged in anew need not wait for it.
  if (session.state.refreshing && isSessionError(error, 'refresh_timeout')) void session.signIn()
  const code = findSessionError(error)?.code
  return failure && (code === 'session_expired' || code === 'refresh_failed') ? failure.error : error
}
