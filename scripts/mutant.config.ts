/** The tests of core and transports, with a mutant in the source (`mutant-runner.mjs`). */
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { root } from './setup.mjs'
import { sourceAliases } from './subpaths.ts'

interface Mutant {
  file: string
  start: number
  end: number
  becomes: string
}

/** What the runner has in the source by now. */
const now = globalThis as typeof globalThis & { mutant?: Mutant }

/** In the order that is asked for. */
class AsAsked extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    return specifications
  }
}

export default defineConfig({
  // `AXIOS`: the package that stands in for axios.
  resolve: {
    alias: [...sourceAliases(), { find: /^axios$/, replacement: process.env.AXIOS ?? 'axios' }],
  },
  plugins: [
    {
      name: 'mutant',
      enforce: 'pre',
      transform(code, id) {
        const { mutant } = now
        if (!mutant || id !== join(root, mutant.file)) return null
        return code.slice(0, mutant.start) + mutant.becomes + code.slice(mutant.end)
      },
    },
  ],
  test: {
    root,
    include: ['test/{core,transports,laws}/**/*.test.ts'],
    testTimeout: 15_000,
    // Ends with the process, also where a mutant runs for ever.
    pool: 'threads',
    maxWorkers: 1,
    bail: 1,
    sequence: { sequencer: AsAsked },
    reporters: [{}],
  },
})
