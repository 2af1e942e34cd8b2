/** `npm run bench`: every benchmark; `npm run bench -- happy-path held storm pool` picks some. */
import { ensureBuilt, ensurePackages, root, run } from './setup.mjs'

const all = [
  'happy-path',
  'fetch',
  'held',
  'storm',
  'upload',
  'pool',
  'file',
  'axios-refresh-me',
  'mcp',
  'timeline',
  'side-by-side',
]
const asked = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
const unknown = asked.filter((name) => !all.includes(name))
if (unknown.length > 0) throw new Error(`No benchmark ${unknown.join(', ')}; there are ${all.join(', ')}.`)

ensurePackages()
ensureBuilt()
for (const name of asked.length > 0 ? asked : all) {
  console.log(`\n── ${name} ──\n`)
  if (!run(process.execPath, [`${root}bench/${name}.mjs`])) process.exitCode = 1
}
