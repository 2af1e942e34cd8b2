/** Tests of an app in Jest, with the package as it is packed. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type AuthServer, createAuthServer } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedJest } from '../../scripts/runtimes.mjs'
import { installPacked, type Packed } from './packed.ts'

describe.each([installedJest()].filter((folder) => folder !== undefined))('Jest', (home) => {
  let packed: Packed
  let server: AuthServer
  beforeAll(async () => {
    packed = installPacked('./jest', home)
    // As most apps with Jest are: CommonJS.
    writeFileSync(join(packed.folder, 'package.json'), '{ "name": "program", "private": true }')
    server = await createAuthServer({
      fallback({ url }, response) {
        response.setHeader('access-control-allow-origin', '*')
        if (url === '/expire') server.expireAccessTokens()
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(server.mint('alice')))
      },
    })
  }, 240_000)
  afterAll(async () => {
    await server?.close()
    packed?.remove()
  })

  test('the session works in Node, in jsdom, and in jsdom with Node’s fetch', async () => {
    const program = join(home, 'node_modules/jest/bin/jest.js')
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [program, '--json', '--runInBand', '--rootDir', packed.folder],
      { cwd: packed.folder, env: { ...process.env, API: server.url, NODE_ENV: 'test' } },
    ).catch((error: { stdout: string; stderr: string }) => ({ stdout: error.stdout, stderr: error.stderr }))
    const { testResults } = JSON.parse(stdout) as {
      testResults: { message: string; assertionResults: { status: string; title: string }[] }[]
    }
    expect(testResults.map(({ message }) => message).join('')).toBe('')
    const passed = testResults.map(({ assertionResults }) => assertionResults.length).sort()
    // Of jsdom alone there is no fetch.
    expect(passed).toEqual([3, 5, 5])
  })
})
