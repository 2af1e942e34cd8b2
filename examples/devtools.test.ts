import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build as esbuild } from 'esbuild'
import { withSession } from 'refresh-once/fetch'
import { rolldown } from 'rolldown'
import { build as vite } from 'vite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { sourceAliases } from '../scripts/subpaths.ts'
import { signIn, startServer } from '../test/setup.ts'
import { record, watch } from './devtools.ts'

test('what a session does is told in lines', async () => {
  const server = await startServer()
  const session = signIn(server)
  // Where there is no page, nothing is mounted.
  watch(session)
  const told = await record(session)
  server.expireAccessTokens()
  await withSession(session, { origins: [server.url] })(`${server.url}/api/items`)
  expect(
    told()
      .split('\n')
      .map((line) => line.replace(/^ *\d+ ms {2}/, '').split(/[ ,]/)[0]),
  ).toEqual([
    'request-sent',
    'request-rejected',
    'refresh-started',
    'refresh-succeeded',
    'request-replayed',
    'request-settled',
  ])
})

/** What the element is called: it is in each of its files that do something. */
const MARK = 'refresh-once-timeline'
/** An app with the line that the documents show, and no other. */
const APP = `
import { createSession } from 'refresh-once'
const session = createSession({ refresh: () => fetch('/refresh') })
if (process.env.NODE_ENV !== 'production') import('refresh-once/devtools').then((it) => it.mountTimeline(session))
`
const aliases = sourceAliases()
const resolve = (id: string): string | undefined => aliases.find(({ find }) => find.test(id))?.replacement

/** Builds an app, and gives all that came out. */
const bundlers: Record<string, (mode: 'development' | 'production') => Promise<string>> = {
  async Vite(mode) {
    const folder = mkdtempSync(join(tmpdir(), 'refresh-once-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const result = await vite({
      configFile: false,
      logLevel: 'silent',
      mode,
      root: folder,
      define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
      plugins: [app(), { name: 'aliases', enforce: 'pre', resolveId: (id) => resolve(id) }],
      build: { write: false, rollupOptions: { input: 'virtual:app' } },
    })
    return JSON.stringify(result)
  },
  async esbuild(mode) {
    const { outputFiles } = await esbuild({
      stdin: { contents: APP, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
      bundle: true,
      write: false,
      outdir: 'out',
      format: 'esm',
      splitting: true,
      platform: 'browser',
      minify: mode === 'production',
      plugins: [
        {
          name: 'aliases',
          setup: ({ onResolve }) =>
            onResolve({ filter: /^refresh-once/ }, ({ path }) => ({ path: resolve(path) ?? path })),
        },
      ],
    })
    return outputFiles.map(({ text }) => text).join('\n')
  },
  async rolldown(mode) {
    const bundler = await rolldown({
      input: 'virtual:app',
      platform: 'browser',
      transform: { define: { 'process.env.NODE_ENV': JSON.stringify(mode) } },
      plugins: [app(), { name: 'aliases', resolveId: (id) => resolve(id) }],
    })
    const { output } = await bundler.generate()
    await bundler.close()
    return JSON.stringify(output)
  },
}

describe.each(Object.entries(bundlers))('with the line of the documents, %s', (_, build) => {
  test('ships nothing of the timeline', async () => {
    const built = await build('production')
    expect(built).toMatch(/\/refresh/)
    for (const trace of [MARK, 'mountTimeline', 'devtools', 'BroadcastChannel'])
      expect(built.includes(trace), trace).toBe(false)
  })

  test('has it while one develops', async () => {
    expect((await build('development')).includes(MARK)).toBe(true)
  })
})

function app(): {
  name: string
  resolveId(id: string): string | undefined
  load(id: string): string | undefined
} {
  return {
    name: 'app',
    resolveId: (id) => (id === 'virtual:app' ? '\0app.js' : undefined),
    load: (id) => (id === '\0app.js' ? APP : undefined),
  }
}
