import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const src = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

/** The package's own names lead to its source, so that tests and examples import what users import. */
const alias = [
  { find: /^refresh-once$/, replacement: src('index.ts') },
  { find: /^refresh-once\/axios$/, replacement: src('transports/axios.ts') },
  { find: /^refresh-once\/testing$/, replacement: src('testing/index.ts') },
]

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
          exclude: ['test/browser/**'],
        },
      },
      {
        // The oldest axios that the peer range allows runs everything that touches axios.
        resolve: { alias: [...alias, { find: /^axios$/, replacement: 'axios-oldest' }] },
        test: {
          name: 'oldest axios',
          testTimeout,
          include: ['test/transports/axios/**/*.test.ts'],
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
    ],
    coverage: {
      provider: 'v8',
      include: ['src/core/**', 'src/transports/**', 'src/stores/**'],
      reporter: ['text'],
    },
  },
})
