import { createFactory } from '../../../dist/compat/axios-refresh-me.js'
import { open as openTheirs } from './axios-refresh-me.mjs'

export const name = 'refresh-once/axios-refresh-me'
export const packages = ['axios']
export const ours = true

export const open = (app) => openTheirs(app, createFactory(), { deadline: app.deadline })
