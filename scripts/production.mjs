/**
 * The build that bundlers put into what users ship: dist/production. It does what the readable one does, in fewer
 * bytes. `node scripts/production.mjs FOLDER` builds it into a folder.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { minifySync } from 'rolldown/utils'
import ts from 'typescript'
import { inlineParts } from './inline-parts.mjs'
import { SHORTENED } from './internal-names.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The source files that users import, from the root, by the names of their files in dist/production. */
export function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.fromEntries(
    Object.values(exports).flatMap((target) =>
      target.types
        ? [
            [
              /(\w[\w-]*)\.js$/.exec(target.default)[1],
              target.types.replace('./dist', 'src').replace('.d.ts', '.ts'),
            ],
          ]
        : [],
    ),
  )
}

/** Codes take the place of messages, and nothing that of mistakes which an author sees at the first run. */
const REPLACED = /\/(messages|mistakes)\.ts$/

function inProduction(id) {
  const [, name] = REPLACED.exec(id) ?? []
  return name ? join(root, 'src', 'core', `${name}.production.ts`) : null
}

/** What several entries use is in files that they share: there is one SessionError, whoever makes it. */
async function bundle(folder) {
  const texts = inlineParts(ts, root, Object.values(entries()))
  const bundler = await rolldown({
    cwd: root,
    input: entries(),
    external: /^(?:node:|axios$|ioredis$|oauth4webapi$|react$|redis$)/,
    platform: 'neutral',
    transform: { target: 'es2022' },
    plugins: [
      { name: 'for production', resolveId: inProduction, load: (id) => texts.get(id.replaceAll('\\', '/')) },
    ],
  })
  const { output } = await bundler.generate({ dir: folder, chunkFileNames: 'shared/[name].js' })
  await bundler.close()
  return output
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , folder] = process.argv
  /** Short names are the same in all files: what one has made another reads. */
  let cache = {}
  for (const { fileName, code } of await bundle(folder)) {
    const minified = minifySync(fileName, code, {
      module: true,
      compress: { target: 'es2022' },
      mangle: { toplevel: true },
      mangleProps: { include: new RegExp(`^(?:${SHORTENED.join('|')})$`), cache },
    })
    cache = minified.mangleCache
    // No file does anything by being loaded: bundlers would warn of an import for that.
    write(join(folder, fileName), minified.code.replace(/\bimport"[^"]+";/g, ''))
  }
}
