import { createAuthRefresh } from '../../../dist/compat/axios-auth-refresh.js'
import { open as openTheirs } from './axios-auth-refresh.mjs'

export const name = 'refresh-once/axios-auth-refresh'
export const packages = ['axios']
export const ours = true

export const open = (app) => openTheirs(app, createAuthRefresh, { deadline: app.deadline })
