/** Clients of the Model Context Protocol that share a login folder, by the packed package, in each runtime with files. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installedRuntimes } from '../../scripts/runtimes.mjs'
import { startWorld } from '../mcp/world.ts'
import { installPacked, type Packed } from './packed.ts'

let packed: Packed
beforeAll(() => {
  packed = installPacked()
}, 240_000)
afterAll(() => packed.remove())

const ARGUMENTS: Record<string, string[]> = {
  node: [],
  bun: ['--no-install'],
  deno: ['run', '--no-remote', '--allow-net=127.0.0.1', '--allow-env', '--allow-read', '--allow-write=.'],
}

const runtimes = installedRuntimes().filter(({ kind }) => kind in ARGUMENTS)

test.each(runtimes)(
  '$name: each expiry is one refresh, and every call of a tool is answered',
  async ({ kind, program }) => {
    const worlds = { sdk: await startWorld(), client: await startWorld() }
    try {
      const given = { sdk: worlds.sdk.origin, client: worlds.client.origin }
      const { stdout } = await promisify(execFile)(program, [...(ARGUMENTS[kind] ?? []), 'mcp.mjs'], {
        cwd: packed.folder,
        timeout: 100_000,
        env: {
          PATH: process.env.PATH,
          HOME: packed.folder,
          DENO_DIR: join(packed.folder, 'deno'),
          DENO_NO_UPDATE_CHECK: '1',
          DO_NOT_TRACK: '1',
          GIVEN: JSON.stringify(given),
        },
      })
      expect(JSON.parse(stdout)).toEqual({ sdk: 60, client: 60 })
      for (const { count, added } of Object.values(worlds)) {
        expect(count).toMatchObject({ refreshes: 3, reuses: 0, exchanges: 1, registrations: 1, leaks: 0 })
        expect([...added.values()].every((times) => times === 1)).toBe(true)
      }
    } finally {
      await Promise.all(Object.values(worlds).map((world) => world.close()))
    }
  },
)
