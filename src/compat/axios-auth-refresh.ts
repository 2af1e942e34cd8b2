import type { AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import { say } from '../core/messages.ts'
import { type AttachableInstance, attachSession } from '../transports/axios.ts'
import { type Group, openGroup, reasonOf } from './axios-auth-refresh/group.ts'
import { handlersOf, sessionOf } from './axios-auth-refresh/interceptors.ts'
import { noteMade } from './axios-auth-refresh/made.ts'
import type { AxiosAuthRefreshOptions } from './axios-auth-refresh/options.ts'
import { type RefreshAuthCall, type Registration, standing } from './axios-auth-refresh/registration.ts'
import { transmitterOf, unwrapped } from './axios-auth-refresh/transmit.ts'
import { countOf } from './session.ts'

export type { AxiosAuthRefreshOptions, AxiosAuthRefreshRequestConfig } from './axios-auth-refresh/options.ts'

const groups = new WeakMap<object, Group>()
const registered = new WeakMap<AxiosInstance, Registration[]>()

/**
 * Refreshes with `refreshAuthCall` when a request of the instance fails for want of authorisation, once for all that
 * fail or come meanwhile, and sends them again. Instances that are given the same function share the refresh.
 *
 * `refreshAuthCall` gets the error of the request that led to it. What it puts into the headers of that error's config
 * is put into the other requests that carry the former values, too.
 *
 * @returns the id of a response interceptor: to eject it ends this
 * @throws TypeError where `refreshAuthCall` is no function
 *
 * @example
 * createAuthRefresh(api, async (failedRequest) => {
 *   const { data } = await axios.post('/auth/token/refresh')
 *   failedRequest.response.config.headers.Authorization = `Bearer ${data.token}`
 * })
 */
export function createAuthRefresh(
  instance: AttachableInstance,
  refreshAuthCall: RefreshAuthCall,
  given: AxiosAuthRefreshOptions = {},
): number {
  const axiosInstance = instance as AxiosInstance
  if (typeof refreshAuthCall !== 'function') throw new TypeError(say('refresh-call'))
  const options = { ...given, maxRetries: countOf(given?.maxRetries) }
  const registrations = registered.get(axiosInstance) ?? []
  // An app that registers anew with each render, or hot reload, would pile them up.
  registrations.splice(0, registrations.length, ...standing(registrations))
  const group = groups.get(axiosInstance) ?? groups.get(refreshAuthCall) ?? openGroup(options)
  groups.set(refreshAuthCall, group)
  // Once; and anew where an app has cleared its interceptors.
  if (
    !handlersOf(axiosInstance.interceptors.request).some(
      ({ fulfilled }) => sessionOf(fulfilled) === group.session,
    )
  )
    guard(axiosInstance, group, registrations)

  const pass = (answer: AxiosResponse) => (unwrapped.get(answer) ?? { value: answer }).value as AxiosResponse
  const id = axiosInstance.interceptors.response.use(pass, (error) => Promise.reject(reasonOf(error, group)))
  const stands = () =>
    handlersOf(axiosInstance.interceptors.response).some(({ fulfilled }) => fulfilled === pass)
  registrations.push({ refreshAuthCall, options, stands })
  return id
}

/**
 * @deprecated Use {@link createAuthRefresh}.
 * @alias
 */
export const createAuthRefreshInterceptor: typeof createAuthRefresh = createAuthRefresh
/** @alias */
export default createAuthRefresh

function guard(instance: AxiosInstance, group: Group, registrations: Registration[]): void {
  const leaveAlone = (config: InternalAxiosRequestConfig): InternalAxiosRequestConfig => {
    const none = config.skipAuthRefresh || !standing(registrations)[0]
    return none ? Object.assign(config, { session: false }) : config
  }
  instance.interceptors.request.use(leaveAlone, null, {
    synchronous: true,
    // Called at once, before any interceptor: this is the request as its caller has made it.
    runWhen(config) {
      noteMade(leaveAlone(config), instance, { registrations, refreshes: group.refreshes })
      return true
    },
  })
  attachSession(instance, group.session, {
    origins: '*',
    transmit: transmitterOf(instance, group, leaveAlone),
  })
  registered.set(instance, registrations)
  groups.set(instance, group)
}
