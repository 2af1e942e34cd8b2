import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Runtime } from '../../scripts/runtimes.mjs'
import type { Given, Outcome, Results } from './outcome.ts'

/** No updates, no installations; in Deno nothing but what a program needs that sends requests. */
const ARGUMENTS: Record<string, string[]> = {
  node: ['process.mjs'],
  bun: ['--no-install', 'process.mjs'],
  deno: ['run', '--no-remote', '--allow-net=127.0.0.1', '--allow-env', '--allow-read', 'process.mjs'],
}

/** Runs the program as a process of Node, Bun or Deno. */
export async function runInProcess(
  { kind, program }: Runtime,
  folder: string,
  given: Results<Given>,
): Promise<Results<Outcome>> {
  const { stdout } = await promisify(execFile)(program, ARGUMENTS[kind] ?? [], {
    cwd: folder,
    timeout: 240_000,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      DENO_DIR: join(folder, 'deno'),
      DENO_NO_UPDATE_CHECK: '1',
      DO_NOT_TRACK: '1',
      GIVEN: JSON.stringify(given),
    },
  })
  return JSON.parse(stdout)
}
