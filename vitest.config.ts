import { defineConfig } from 'vitest/config'
import { sourceAliases } from './scripts/subpaths.ts'

const alias = sourceAliases()

/** For a machine that is busy with something else. */
const testTimeout = 30_000

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'newest',
          testTimeout,
          include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: ['test/browser/**', 'test/runtimes/**'],
        },
      },
      {
        // The oldest axios that the peer range allows runs everything that touches axios.
        resolve: { alias: [...alias, { find: /^axios$/, replacement: 'axios-oldest' }] },
        test: {
          name: 'oldest axios',
          testTimeout,
          include: [
            'test/transports/*.test.ts',
            'test/transports/axios/**/*.test.ts',
            'test/compat/**/*.test.ts',
          ],
          exclude: ['test/browser/**'],
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'browser',
          testTimeout: 120_000,
          include: ['test/browser/**/*.test.ts'],
          fileParallelism: false,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'runtimes',
          testTimeout: 120_000,
          include: ['test/runtimes/**/*.test.ts'],
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/core/**', 'src/transports/**', 'src/stores/**', 'src/compat/**'],
      reporter: ['text'],
    },
  },
})
