import * as core from 'refresh-once'
import * as axios from 'refresh-once/axios'
import * as fetching from 'refresh-once/fetch'
import * as pool from 'refresh-once/pool'
import * as react from 'refresh-once/react'

const session = core.createSession({ refresh: () => ({ accessToken: 'first' }) })
globalThis.exported = [core, axios, fetching, pool, react].map((part) => Object.keys(part).sort())
globalThis.token = session.getAccessToken()
