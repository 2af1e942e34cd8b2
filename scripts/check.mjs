/**
 * `npm run check`: lint, types, and the Node tests of what has changed; about a minute. What has changed is what git
 * says: not committed yet, or, where all is committed, the last commit. `npm test` runs everything.
 */
import { execFileSync } from 'node:child_process'
import { ensurePackages, root, run, tool } from './setup.mjs'

ensurePackages()
const git = (...args) =>
  execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean)
const uncommitted = [
  ...git('diff', '--name-only', 'HEAD'),
  ...git('ls-files', '--others', '--exclude-standard'),
]
const changed = uncommitted.length > 0 ? uncommitted : git('diff', '--name-only', 'HEAD~1')

const steps = {
  'format and lint': tool('@biomejs/biome', 'check', '.'),
  types: tool('typescript', '-p', 'tsconfig.json'),
  'tests of what has changed': tool(
    'vitest',
    'related',
    '--run',
    '--project',
    'newest',
    '--passWithNoTests',
    'test/documents.test.ts',
    ...changed,
  ),
}
for (const [name, args] of Object.entries(steps)) {
  console.log(`\n── ${name} ──`)
  if (!run(process.execPath, args, { LAWS_RUNS: process.env.LAWS_RUNS ?? '50' })) process.exitCode = 1
}
