import { createAuthRefresh } from '../../../dist/compat/axios-auth-refresh.js'
import { open as openTheirs } from './axios-auth-refresh.mjs'

export const name = 'refresh-once/axios-auth-refresh'
export const packages = ['axios']
export const ours = true

export function open(app) {
  // As in browsers, which have few connections: there it is told nothing either, and takes off the wire what is slow.
  if (app.connections) globalThis.document = Object.create(null)
  const client = openTheirs(app, createAuthRefresh, { deadline: app.deadline })
  delete globalThis.document
  return client
}
