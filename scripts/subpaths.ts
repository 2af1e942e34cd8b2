import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

type Exports = Record<string, { types: string } | string>

/**
 * The package's own names (`refresh-once`, `refresh-once/axios`, …), each with its source file, for the
 * `resolve.alias` of Vite: tests, examples and bundles import what users import.
 */
export function sourceAliases(): { find: RegExp; replacement: string }[] {
  const written = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const { name, exports } = JSON.parse(written) as { name: string; exports: Exports }
  return Object.entries(exports).flatMap(([subpath, target]) =>
    typeof target === 'string'
      ? []
      : {
          find: new RegExp(`^${name}${subpath.slice(1)}$`),
          replacement: fileURLToPath(new URL(`../${sourceOf(target.types)}`, import.meta.url)),
        },
  )
}

/** `./dist/transports/axios.d.ts` is built from `src/transports/axios.ts`. */
function sourceOf(built: string): string {
  return built.replace(/^\.\/dist/, 'src').replace(/\.d\.ts$/, '.ts')
}
