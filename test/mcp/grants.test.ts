/** Providers of the SDKs for programs that sign in by themselves: no refresh token, no page. */
import * as client from '@modelcontextprotocol/client'
import * as sdk from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { exportPKCS8, generateKeyPair } from 'jose'
import * as clientOldest from 'mcp-client-oldest'
import * as sdkOldest from 'mcp-sdk-oldest/client/auth-extensions.js'
import { isSessionError } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { failureOf, times } from '../setup.ts'
import { type Kit, kits } from './kits.ts'
import type { AppProvider } from './provider.ts'
import { calls, keys, setUp } from './stage.ts'

const of: Record<string, typeof sdk> = {
  '@modelcontextprotocol/sdk, newest': sdk,
  '@modelcontextprotocol/sdk, oldest': sdkOldest as never,
  '@modelcontextprotocol/client, newest': client as never,
  '@modelcontextprotocol/client, oldest': clientOldest as never,
}
const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const key = await exportPKCS8(privateKey)

const MAKERS: Record<string, (kit: Kit) => object> = {
  'a secret': ({ name }) =>
    new (of[name] as typeof sdk).ClientCredentialsProvider({ clientId: 'robot', clientSecret: 'secret' }),
  'a key': ({ name }) =>
    new (of[name] as typeof sdk).PrivateKeyJwtProvider({
      clientId: 'robot',
      privateKey: key,
      algorithm: 'ES256',
    }),
}

for (const kit of kits.filter(({ name }) => name in of)) {
  for (const [what, make] of Object.entries(MAKERS)) {
    describe(`${kit.name}, a client with ${what}`, () => {
      const provider = (): AppProvider => make(kit) as AppProvider

      test('first connections, and ten calls at each expiry, are one token request each', async () => {
        const { world, connect } = await setUp(kit, 'http', { provider: provider() })
        const [connection] = await Promise.all(times(3, () => connect()))
        if (!connection) throw new Error('there is none')
        expect(world.count.credentials).toBe(1)
        for (let round = 1; round <= 3; round++) {
          world.expire()
          expect(await calls(connection, 10, round)).toEqual(keys(10, round))
          expect(world.count).toMatchObject({ credentials: 1 + round, refreshes: 0, leaks: 0 })
        }
      })

      test('an outage of the token endpoint is told as one, and it goes on afterwards', async () => {
        const { world, connect, mcp } = await setUp(kit, 'http', { provider: provider() })
        const connection = await connect()
        world.expire()
        world.failing(9, 503, '{"error":"temporarily_unavailable"}')
        const failure = await failureOf(connection.call('add', { key: 'x' }))
        expect(isSessionError(failure, 'refresh_failed'), String(failure)).toBe(true)
        expect(mcp.session.state.status).toBe('signed-in')
        world.heal()
        await mcp.session.refresh()
        expect(await connection.call('add', { key: 'y' })).toBe('y')
      })
    })
  }
}
