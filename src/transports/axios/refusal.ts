import { AxiosError, type InternalAxiosRequestConfig } from 'axios'
import type { SessionError } from '../../core/errors.ts'

/** The error of a request that was never sent: one of axios, with that of the session as its cause. */
export function refusalOf(given: InternalAxiosRequestConfig, cause: SessionError): AxiosError {
  // Caches and others find their request by its config. axios-retry takes an error without an answer for one of
  // the network, unless the config forbids it.
  const config = { ...given, 'axios-retry': { retries: 0 } }
  const { message, code } = cause
  const error = Object.assign(new AxiosError(message, code), { cause })
  // Who prints the error tells no query and no body.
  return Object.defineProperties(error, {
    config: { get: () => config },
    toJSON: { value: () => ({ name: error.name, message, code }) },
  })
}
