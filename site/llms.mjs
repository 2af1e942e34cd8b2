/** The site as text, for tools that read it: what there is (https://llmstxt.org), and all of it. */
import { CONTENTS, HOME, placeOf } from './contents.mjs'
import { titleOf } from './markdown.mjs'

/**
 * @param read gets the text of a source
 * @returns `llms.txt`: each page as Markdown, and what it answers
 */
export function listPages(read) {
  const [, promise = ''] = /^# .+\n\n((?:.+\n)+)/.exec(read(HOME)) ?? []
  const sections = CONTENTS.map(({ title, pages }) => {
    const links = Object.entries(pages).map(
      ([source, about]) => `- [${titleOf(read(source))}](/${placeOf(source)}): ${about}`,
    )
    return [`## ${title}`, '', ...links].join('\n')
  })
  const summary = promise.replaceAll('\n', ' ').replaceAll('*', '').trim()
  return [
    '# refresh-once',
    `> ${summary}`,
    `Begin with [For coding assistants](/${placeOf('docs/assistants.md')}). All pages in one file: [llms-full.txt](/llms-full.txt).`,
    ...sections,
    '',
  ].join('\n\n')
}

/** @returns `llms-full.txt`: the pages, one after the other, without what is written for the repository's own people */
export function allPages(read) {
  const sources = [
    HOME,
    ...CONTENTS.flatMap(({ title, pages }) => (title === 'The project' ? [] : Object.keys(pages))),
  ]
  return sources.map((source) => `<!-- /${placeOf(source)} -->\n\n${read(source).trim()}\n`).join('\n')
}
