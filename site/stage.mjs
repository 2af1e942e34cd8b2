/** Lays out the pages of the site: the documents of the repository as they are, with links that hold in the site. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { placeOf, SOURCES } from './contents.mjs'
import { withLinks } from './markdown.mjs'

const root = new URL('../', import.meta.url)
const { homepage } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
const repository = homepage.replace(/#.*$/, '')

/** @param folder a URL that ends with a slash; what was in it is gone */
export function stage(folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(new URL('public/', folder), { recursive: true })
  for (const source of SOURCES) {
    const text = readFileSync(new URL(source, root), 'utf8')
    const page = withLinks(text, source, (target, anchor) => linkTo(target, anchor, folder))
    writeFileSync(new URL(placeOf(source), folder), page)
  }
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
