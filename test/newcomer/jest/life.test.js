import { expect, test } from '@jest/globals'
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { live } from './life.js'
import { post, refresh, url } from './server-side.js'

test('the life of a session', async () => {
  const session = createSession({ tokens: null, refresh })
  const api = axios.create({ baseURL: url })
  attachSession(api, session)
  const get = async (path) => (await api.get(path)).data
  const result = await live({ session, get, post })
  expect(result.other).toBe('bob')
  process.stdout.write(`${JSON.stringify(result)}\n`)
})
