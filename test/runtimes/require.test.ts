import { execFile, spawnSync } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedRuntimes } from '../../scripts/runtimes.mjs'
import { startServer, times } from '../setup.ts'
import { installPacked, type Packed } from './packed.ts'

const execute = promisify(execFile)
const nodes = installedRuntimes().filter(({ kind }) => kind === 'node')

let packed: Packed
beforeAll(() => {
  packed = installPacked()
}, 240_000)
afterAll(() => packed.remove())

describe('require of the packed package', () => {
  test.each(nodes)(
    'in $name: it serves a CommonJS program, with the axios of require',
    async ({ program }) => {
      const server = await startServer()
      const tokens = server.mint()
      server.expireAccessTokens()
      const { stdout, stderr } = await execute(program, ['require.cjs'], {
        cwd: packed.folder,
        env: { GIVEN: JSON.stringify({ url: server.url, tokens }) },
      })
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual({ times: times(20, () => 1), status: 401, sameClass: true })
      expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    },
  )

  test.each(nodes)(
    'in $name: every subpath loads, with the very exports that import gets',
    async ({ program }) => {
      const { name, exports } = JSON.parse(readFileSync(join(packed.folder, packed.manifest), 'utf8'))
      const names = Object.keys(exports)
        .filter((subpath) => !subpath.endsWith('.json'))
        .map((subpath) => name + subpath.slice(1))
      // Where there is a default export, require gives a module of its own with the same members.
      const code = `
      const all = ${JSON.stringify(names)}.map(async (name) => {
        const imported = await import(name)
        const required = require(name)
        return Object.keys(imported).filter((member) => imported[member] !== required[member])
      })
      Promise.all(all).then((different) => console.log(JSON.stringify(different)))`
      const { stdout, stderr } = await execute(program, ['--input-type=commonjs', '--eval', code], {
        cwd: packed.folder,
        env: {},
      })
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toEqual(names.map(() => []))
    },
  )

  test('attw finds nothing but what follows from ESM only', async () => {
    const cli = createRequire(import.meta.url).resolve('@arethetypeswrong/cli/package.json')
    const { bin } = JSON.parse(readFileSync(cli, 'utf8'))
    const args = [join(dirname(cli), bin.attw), packed.tarball, '--format', 'json']
    // Into a file: it exits with 1, since it finds something, and what is still in a pipe then is lost.
    const report = join(packed.folder, 'attw.json')
    spawnSync(process.execPath, args, { stdio: ['ignore', openSync(report, 'w'), 'inherit'] })
    const found = new Set<string>()
    for (const problems of Object.values<{ kind: string; resolutionKind: string }[]>(
      JSON.parse(readFileSync(report, 'utf8')).problems,
    ))
      for (const { kind, resolutionKind } of problems) found.add(`${resolutionKind}: ${kind}`)
    expect([...found].sort()).toEqual(['node10: NoResolution', 'node16-cjs: CJSResolvesToESM'])
  })
})
