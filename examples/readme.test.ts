import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const pages = ['README.md', ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`)]

/** Each code block of a page that says which example it is. */
function blocksOf(page: string): (readonly [page: string, file: string, code: string])[] {
  const found = read(page).matchAll(/<!-- (examples\/\S+) -->\n+```ts\n(.*?)```/gs)
  return [...found].map(([, file = '', code = '']) => [page, file, code] as const)
}

/** What a line says: the pages leave out types that are inferred, indentation, and `export`. */
function say(line: string): string {
  return line
    .trim()
    .replace(/^export (?=const|async|function)/, '')
    .replace(/^(const \w+): .+? = /, '$1 = ')
    .replace(/, \{ type \w+ \}|, type \w+|type \w+, /g, '')
}

test.each(pages)('%s: every TypeScript block names its example', (page) => {
  expect(read(page).match(/```ts\n/g) ?? []).toHaveLength(blocksOf(page).length)
})

test.each(pages.flatMap(blocksOf))('%s: %s has the lines that are shown, in their order', (_, file, code) => {
  const lines = read(file).split('\n').map(say)
  let at = 0
  for (const line of code.split('\n').map(say)) {
    if (!line || line === '// …') continue
    const found = lines.indexOf(line, at)
    expect(found, `not in ${file}, or not here: ${line}`).toBeGreaterThanOrEqual(at)
    at = found + 1
  }
})

test.each(pages)('%s: its links lead somewhere', (page) => {
  const text = read(page)
  const slug = (title: string): string =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replace(/ /g, '-')
  const anchors = (of: string): string[] =>
    [...of.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => slug(title))
  for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^https?:/.test(link)) continue
    const [path = '', anchor] = link.split('#')
    const target = new URL(path || page.replace(/.*\//, ''), new URL(page, root))
    const isFolder = path.endsWith('/')
    const found = isFolder ? readdirSync(target).join() : readFileSync(target, 'utf8')
    expect(found, link).not.toBe('')
    if (anchor) expect(anchors(found), link).toContain(anchor)
  }
})
