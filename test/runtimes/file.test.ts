/** A login folder, by the packed package, in each runtime that has files. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installedRuntimes } from '../../scripts/runtimes.mjs'
import { installPacked, type Packed } from './packed.ts'

let packed: Packed
beforeAll(() => {
  packed = installPacked()
}, 240_000)
afterAll(() => packed.remove())

/** Deno with as little as it takes: no look at other processes, and none at the machine. */
const ARGUMENTS: Record<string, string[]> = {
  node: [],
  bun: ['--no-install'],
  deno: ['run', '--no-remote', '--allow-env', '--allow-read=.', '--allow-write=.'],
}

const runtimes = installedRuntimes().filter(({ kind }) => kind in ARGUMENTS)

test.each(runtimes)('$name keeps the contract of stores, and comes to its end', async ({ kind, program }) => {
  const { stdout } = await promisify(execFile)(program, [...(ARGUMENTS[kind] ?? []), 'file.mjs'], {
    cwd: packed.folder,
    timeout: 100_000,
    env: {
      PATH: process.env.PATH,
      HOME: packed.folder,
      DENO_DIR: join(packed.folder, 'deno'),
      DENO_NO_UPDATE_CHECK: '1',
      DO_NOT_TRACK: '1',
    },
  })
  expect(JSON.parse(stdout)).toEqual({ checks: expect.any(Number), failures: [] })
})
