import { fileURLToPath } from 'node:url'
import { build as bundle } from 'esbuild'
import { build } from 'vitepress'
import { ENTRIES, makeReference } from './reference.mjs'
import { stage } from './stage.mjs'

const here = new URL('./', import.meta.url)
const pages = new URL('.cache/pages/', here)

/** Makes `site/dist` anew. A link that leads nowhere is an error. */
export async function buildSite() {
  stage(pages)
  await makeSimulation(new URL('public/simulation.js', pages))
  await makeReference(new URL('reference/', pages))
  await build(fileURLToPath(here))
}

/** The playground of the site is a script of its own: only the page that shows it fetches it. */
async function makeSimulation(file) {
  await bundle({
    entryPoints: [fileURLToPath(new URL('simulation/element.mjs', here))],
    outfile: fileURLToPath(file),
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    alias: Object.fromEntries(
      ENTRIES.map(({ name, file }) => [name, fileURLToPath(new URL(`../${file}`, here))]),
    ),
    define: { 'process.env.NODE_ENV': '"production"' },
  })
}
