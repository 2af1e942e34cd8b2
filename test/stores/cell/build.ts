import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { sourceAliases } from '../../../scripts/subpaths.ts'

/** A script of this folder and the product in one file, for another process or runtime. */
export async function buildFor(
  platform: 'node' | 'browser',
  script: string,
  to: string,
  external: RegExp,
): Promise<void> {
  const bundler = await rolldown({
    input: fileURLToPath(new URL(script, import.meta.url)),
    platform,
    external,
    resolve: {
      alias: Object.fromEntries(
        sourceAliases().map(({ find, replacement }) => [`${find.source.slice(1, -1)}$`, replacement]),
      ),
    },
  })
  await bundler.write({ file: to })
  await bundler.close()
}
