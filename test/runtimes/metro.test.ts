import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import { loadConfig, runBuild } from 'metro'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installPacked, type Packed } from './packed.ts'

/** What is bundled besides the packed package, in the node_modules of this repository. Metro looks at nothing else. */
const BESIDE = ['axios', 'react', 'metro-runtime']

let packed: Packed
beforeAll(() => {
  packed = installPacked('./metro')
}, 240_000)
afterAll(() => packed.remove())

/** As React Native configures Metro, without its own syntax. */
async function bundle(platform: string): Promise<string> {
  const config = await loadConfig(
    { cwd: packed.folder },
    {
      projectRoot: packed.folder,
      watchFolders: BESIDE.map((name) =>
        fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)),
      ),
      reporter: { update() {} },
      resolver: { unstable_conditionNames: ['require', 'react-native'], useWatchman: false },
      transformer: {
        getTransformOptions: async () => ({
          transform: { experimentalImportSupport: true, inlineRequires: false },
        }),
      },
    },
  )
  const out = join(packed.folder, `${platform}.js`)
  await runBuild(config, { entry: 'index.js', out, platform, dev: false, minify: false })
  return readFileSync(out, 'utf8')
}

test('Metro bundles every part that a phone can use', async () => {
  const code = await bundle('ios')
  const phone: Record<string, unknown> = {
    setTimeout,
    clearTimeout,
    AbortController,
    URL,
    console,
    performance,
    Response,
  }
  phone.globalThis = phone
  runInNewContext(code, phone)
  const [core, axios, fetching, pool, react] = phone.exported as string[][]
  expect(core).toContain('createSession')
  expect([axios, fetching, pool, react]).toEqual([
    ['attachSession'],
    ['withSession'],
    ['createSessionPool'],
    ['useSession'],
  ])
  expect(await phone.token).toBe('first')
})
