import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installPacked, type Packed } from './packed.ts'

type Module = Record<string, unknown>
type Exports = Record<string, string | { node: string; development: string; default: string }>

/** The files of each subpath in the packed package: the one for Node, and the one that bundlers take. */
let builds: { subpath: string; readable: Module; production: Module }[]
let packed: Packed

beforeAll(async () => {
  packed = installPacked()
  const { exports } = JSON.parse(readFileSync(join(packed.folder, packed.manifest), 'utf8')) as {
    exports: Exports
  }
  const load = (path: string): Promise<Module> =>
    import(pathToFileURL(join(packed.folder, packed.manifest, '..', path)).href)
  builds = await Promise.all(
    Object.entries(exports).map(async ([subpath, target]) =>
      typeof target === 'string'
        ? { subpath, readable: {}, production: {} }
        : { subpath, readable: await load(target.node), production: await load(target.default) },
    ),
  )
}, 240_000)
afterAll(() => packed.remove())

function production<T>(subpath: string): T {
  return builds.find((build) => build.subpath === subpath)?.production as T
}

test('every subpath exports the same from both builds', () => {
  for (const { subpath, readable, production } of builds)
    expect(Object.keys(production).sort(), subpath).toEqual(Object.keys(readable).sort())
})

test('the entries of the production build share one SessionError', async () => {
  const { SessionError } = production<typeof import('refresh-once')>('.')
  const { createSessionPool } = production<typeof import('refresh-once/pool')>('./pool')
  const { memoryStore } = production<typeof import('refresh-once')>('.')
  const pool = createSessionPool({ refresh: () => 'token', store: () => memoryStore() })
  await pool.close()
  const refused = await pool.use('somebody', () => {}).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(SessionError)
  expect(refused).toMatchObject({ code: 'session_closed' })
})
