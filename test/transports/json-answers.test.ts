import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { open } from '../setup.ts'

const API = 'https://api.example.com'

/** Whether `shouldRefresh` is given the body of an answer of such a type. */
async function isRead(type: string): Promise<boolean> {
  const session = open({
    tokens: 'old',
    refresh: () => 'new',
    shouldRefresh: async (response) => Object(await response.json()).code === 40101,
  })
  const own: typeof fetch = async (_, init) => {
    const fresh = new Headers(init?.headers).get('authorization') === 'Bearer new'
    return Response.json({ code: fresh ? 0 : 40101 }, { headers: { 'content-type': type } })
  }
  const answer = await withSession(session, { origins: API, fetch: own })(API)
  return (await answer.json()).code === 0
}

test.each([
  'application/json',
  'Application/JSON ; charset=UTF-8',
  'text/json',
  'application/problem+json',
  'application/vnd.api+json',
  'application/hal+json;profile="x"',
])('a body of %s is read', async (type) => {
  expect(await isRead(type)).toBe(true)
})

test.each([
  '',
  'text/plain',
  'text/html',
  'text/event-stream',
  'application/octet-stream',
  'application/x-ndjson',
  'application/json-seq',
  'application/stream+json',
  'application/jsonlines',
  'multipart/mixed; boundary=application/json',
])('a body of %s is not', async (type) => {
  expect(await isRead(type)).toBe(false)
})
