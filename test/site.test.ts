/** The site of the documents, as far as it can be told without building it. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Contents {
  CONTENTS: readonly { title: string; pages: Readonly<Record<string, string>> }[]
  SOURCES: readonly string[]
  placeOf(source: string): string
}

interface Markdown {
  titleOf(text: string): string
  withLinks(text: string, source: string, rewrite: (target: string, anchor: string) => string): string
}

interface Llms {
  listPages(read: (source: string) => string): string
  allPages(read: (source: string) => string): string
}

interface Comparison {
  comparisonOf(report: string): string
  shortOf(report: string): string
}

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

// Plain JavaScript: they have no types of their own.
const { CONTENTS, SOURCES, placeOf } = (await import(new URL('site/contents.mjs', root).href)) as Contents
const { titleOf, withLinks } = (await import(new URL('site/markdown.mjs', root).href)) as Markdown
const { listPages, allPages } = (await import(new URL('site/llms.mjs', root).href)) as Llms
const { comparisonOf, shortOf } = (await import(new URL('scripts/comparison.mjs', root).href)) as Comparison

test('every document is in the contents of the site, once, and at a place of its own', () => {
  const documents = readdirSync(new URL('docs/', root)).filter((name) => name.endsWith('.md'))
  expect(SOURCES.filter((source) => source.startsWith('docs/')).sort()).toEqual(
    documents.map((name) => `docs/${name}`).sort(),
  )
  expect(new Set(SOURCES.map(placeOf)).size).toBe(SOURCES.length)
})

test('every page has a title, and the contents say what it answers', () => {
  expect(SOURCES.filter((source) => !titleOf(read(source)))).toEqual([])
  const abouts = CONTENTS.flatMap(({ pages }) => Object.values(pages))
  expect(abouts.filter((about) => !/^\S.{15,}[^\s.]$/.test(about))).toEqual([])
})

/** What the site would take for a part of its program, or cannot read. */
const PROGRAM = /\{\{|<(?!!--|\/?(?:kbd|picture|source|img|br)\b)[a-z/]/i

test.each(SOURCES)(
  '%s has nothing in it, outside of code, that the site would take for a program',
  (source) => {
    const prose = read(source)
      .replace(/^(```+).*?^\1$/gms, '')
      .replace(/(`+).+?\1/gs, '')
    expect(prose.split('\n').filter((line) => PROGRAM.test(line))).toEqual([])
  },
)

test('links are told from the root of the repository, and code is left alone', () => {
  const page = [
    'See [a](guide.md#windows), [b](../README.md), [c](#here), [d](https://example.com/x.md).',
    '```md',
    '[e](guide.md)',
    '```',
    '![f](picture.svg "title")',
    '<source srcset="dark.webp"><img src="light.webp" alt="g">',
  ].join('\n')
  expect(withLinks(page, 'docs/api.md', (target, anchor) => `<${target}|${anchor}>`)).toBe(
    [
      'See [a](<docs/guide.md|#windows>), [b](<README.md|>), [c](<docs/api.md|#here>), [d](https://example.com/x.md).',
      '```md',
      '[e](guide.md)',
      '```',
      '![f](<docs/picture.svg|> "title")',
      '<source srcset="<docs/dark.webp|>"><img src="<docs/light.webp|>" alt="g">',
    ].join('\n'),
  )
})

test('llms.txt lists every page with what it answers, and llms-full.txt holds them', () => {
  const list = listPages(read)
  const linked = [...list.matchAll(/^- \[(.+)\]\(\/(.+)\): .+$/gm)].map(([, title, place]) => [title, place])
  expect(linked).toEqual(SOURCES.slice(1).map((source) => [titleOf(read(source)), placeOf(source)]))
  expect(list).toMatch(/^# refresh-once\n\n> When an access token expires, .+\.\n\n/)
  const all = allPages(read)
  for (const { title, pages } of CONTENTS)
    if (title !== 'The project')
      for (const source of Object.keys(pages)) expect(all).toContain(read(source).trim())
})

test('the comparison has the numbers of the report', () => {
  const report = read('bench/REPORT.md')
  expect(read('docs/comparison.md')).toContain(`\n${comparisonOf(report)}\n`)
  expect(read('docs/comparison.md')).toContain(`\n${shortOf(report)}\n`)
})
