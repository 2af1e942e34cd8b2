import { defineConfig } from 'vitest/config'
import { sourceAliases } from './scripts/subpaths.ts'

const alias = sourceAliases()

/** For a machine that is busy with something else. */
const testTimeout = 30_000

/** What needs a real Redis. */
const withRedis = [
  'test/stores/redis/**/*.test.ts',
  'test/oauth/processes/redis.test.ts',
  'examples/redis.test.ts',
  'examples/bff/*.test.ts',
  'examples/stores/upstash.test.ts',
]

/** What needs a real Postgres. */
const withPostgres = ['examples/stores/postgres.test.ts']

/** What needs another runtime. */
const withRuntimes = ['test/runtimes/**/*.test.ts', 'examples/stores/durable-object.test.ts']

/** Processes that share files; they run what is built. */
const withProcesses = [
  'test/mcp/processes/**/*.test.ts',
  'test/oauth/processes/file.test.ts',
  'test/stores/file/processes/**/*.test.ts',
  'examples/cli/**/*.test.ts',
]

export default defineConfig({
  test: {
    // By itself it leaves one of two processors idle.
    maxWorkers: '100%',
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'newest',
          testTimeout,
          include: ['{test,examples}/**/*.test.{ts,tsx}'],
          exclude: ['test/browser/**', ...withRuntimes, ...withRedis, ...withPostgres, ...withProcesses],
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
        // With a redis-server of its own in each file. Processes of the tests run what is built.
        resolve: { alias },
        test: {
          name: 'redis',
          testTimeout: 120_000,
          hookTimeout: 60_000,
          include: withRedis,
          globalSetup: 'test/stores/redis/built.ts',
          fileParallelism: false,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'postgres',
          testTimeout: 120_000,
          hookTimeout: 60_000,
          include: withPostgres,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'processes',
          testTimeout: 120_000,
          hookTimeout: 60_000,
          include: withProcesses,
          globalSetup: 'test/stores/redis/built.ts',
          fileParallelism: false,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'browser',
          testTimeout: 120_000,
          hookTimeout: 60_000,
          include: ['test/browser/**/*.test.ts'],
          globalSetup: 'test/browser/tabs/script.ts',
          fileParallelism: false,
        },
      },
      {
        resolve: { alias },
        test: {
          name: 'runtimes',
          testTimeout: 120_000,
          include: withRuntimes,
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
