import * as oauth from 'oauth4webapi'
import { memoryStore } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createDpop } from 'refresh-once/oauth'
import { describe, expect, onTestFinished, test } from 'vitest'
import { serving } from '../test/oauth/server.ts'
import { openMachine, openSession } from './confidential.ts'

const start = serving()
const twenty = <T>(one: () => T): T[] => Array.from({ length: 20 }, one)

describe.each([
  ['Bearer tokens', false],
  ['tokens that are bound to a key', true],
])('private_key_jwt, with %s', (_, dpop) => {
  async function client() {
    const server = await start({ dpop })
    const proofs = dpop ? await oauth.generateKeyPair('ES256') : undefined
    const { issuer, privateKey: key } = server
    return { server, proofs, client: { issuer, clientId: 'jwt', key, ...(proofs && { proofs }) } }
  }

  test('a user’s session refreshes once for twenty requests', async () => {
    const { server, client: own, proofs } = await client()
    const session = openSession(own, memoryStore())
    onTestFinished(() => session.close())
    const handle = proofs && (await createDpop({ key: () => proofs }).handle())
    const jkt = await handle?.calculateThumbprint()
    await session.signIn(await server.mint({ clientId: 'jwt', ...(jkt && { jkt }) }))
    const api = withSession(session, { origins: [server.issuer] })
    await server.refuse(await session.getAccessToken())
    const answers = await Promise.all(twenty(() => api(`${server.issuer}/me`)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(server.count).toMatchObject({ granted: 1, reuses: 0 })
  })

  test('two machines on one store share a token request', async () => {
    const { server, client: own } = await client()
    const store = memoryStore()
    const machines = [openMachine(own, store), openMachine(own, store)]
    onTestFinished(() => {
      for (const machine of machines) machine.close()
    })
    const tokens = await Promise.all(machines.map((machine) => machine.getAccessToken()))
    expect(tokens[0]).toBe(tokens[1])
    expect(server.count.granted).toBe(1)
  })
})
