/** A real Postgres of the tests' own: on a free port of the loopback interface, in a folder that goes away with it. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../setup.ts'

export interface PostgresServer {
  readonly url: string
  close(): Promise<void>
}

export async function startPostgres(): Promise<PostgresServer> {
  const programs = process.env.POSTGRES_PATH ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-postgres-'))
  const identity = ownIdentity()
  if (identity) chownSync(folder, identity.uid, identity.gid)
  const common = { cwd: folder, ...identity }
  execFileSync(
    join(programs, 'initdb'),
    ['-D', folder, '-U', 'tests', '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync'],
    { ...common, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const { port } = new URL(await freePort())
  const settings = ['listen_addresses=127.0.0.1', 'fsync=off', 'max_connections=60']
  const child = spawn(
    join(programs, 'postgres'),
    ['-D', folder, '-p', port, '-k', folder, ...settings.flatMap((setting) => ['-c', setting])],
    { ...common, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const gone = once(child, 'exit')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text) => {
      said += text
      if (/ready to accept connections/.test(said)) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said}`)))
  })
  return {
    url: `postgres://tests@127.0.0.1:${port}/postgres`,
    async close() {
      child.kill('SIGINT')
      await gone
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** It refuses to run as root. */
function ownIdentity(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const idOf = (option: string): number =>
    Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}
