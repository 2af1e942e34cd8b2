/** Lays out the pages of the site: the documents of the repository as they are, with links that hold in the site. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { placeOf, SOURCES } from './contents.mjs'
import { allPages, listPages } from './llms.mjs'
import { withLinks } from './markdown.mjs'

const root = new URL('../', import.meta.url)
const { homepage } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
/** Where a page says so, the site has the playground in simulated time. Without script there is what the page says besides. */
const PLAYGROUND = '<!-- the playground, in the site -->'
const SIMULATION =
  '<refresh-once-simulation></refresh-once-simulation>\n<component is="script" type="module" src="/simulation.js" />'
/** What is before a sample: the file that it is of, which is executed. */
const SAMPLE = /^<!-- (\S+\.[jt]sx?) -->$/gm
/** What wants the whole width. */
const WIDE = ['docs/playground.md', 'docs/comparison.md']
const repository = homepage.replace(/#.*$/, '')

/** @param folder a URL that ends with a slash; what was in it is gone */
export function stage(folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(new URL('public/', folder), { recursive: true })
  const texts = new Map()
  for (const source of SOURCES) {
    const text = readFileSync(new URL(source, root), 'utf8')
    const page = withLinks(text, source, (target, anchor) => linkTo(target, anchor, folder))
    texts.set(source, page)
    writeFileSync(new URL(placeOf(source), folder), adapt(page, WIDE.includes(source)))
    // For tools that read the site: as it is, beside what is made of it.
    writeFileSync(new URL(`public/${placeOf(source)}`, folder), page)
  }
  const read = (source) => texts.get(source)
  writeFileSync(new URL('public/llms.txt', folder), listPages(read))
  writeFileSync(new URL('public/llms-full.txt', folder), allPages(read))
}

/** Pages are in the site, pictures are copied into it, and everything else is in the repository. */
function linkTo(target, anchor, folder) {
  if (SOURCES.includes(target)) return `./${placeOf(target)}${anchor}`
  if (/\.(?:svg|png|webp)$/.test(target)) {
    copyFileSync(new URL(target, root), new URL(basename(target), folder))
    return `./${basename(target)}`
  }
  return `${repository}/${target.endsWith('/') ? 'tree' : 'blob'}/main/${target}${anchor}`
}

/** What the site has, and the document has not. */
function adapt(page, wide) {
  const adapted = page
    .replace(PLAYGROUND, SIMULATION)
    .replace(SAMPLE, (_, file) => `<a class="source" href="${repository}/blob/main/${file}">${file}</a>\n`)
  return wide ? `---\naside: false\n---\n\n${adapted}` : adapted
}
