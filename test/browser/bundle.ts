import { build, type PluginOption } from 'vite'
import { sourceAliases } from '../../scripts/subpaths.ts'

/** The product and an entry in one script, made as a browser gets it. */
export async function bundle(entry: string, plugins: PluginOption[] = []): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    plugins,
    resolve: { alias: sourceAliases() },
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry, formats: ['iife'], name: 'page', fileName: 'page' },
    },
  })
  for (const { output } of [result].flat() as { output: { type: string; code?: string }[] }[]) {
    for (const { type, code } of output) if (type === 'chunk' && code) return code
  }
  throw new Error('vite made no script')
}
