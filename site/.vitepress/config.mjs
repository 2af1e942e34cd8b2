import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitepress'
import { CONTENTS, placeOf } from '../contents.mjs'
import { slugOf, titleOf } from '../markdown.mjs'
import { REFERENCE } from '../reference.mjs'

const root = new URL('../../', import.meta.url)
const read = (path) => readFileSync(new URL(path, root), 'utf8')
const { description, homepage } = JSON.parse(read('package.json'))

const sidebar = CONTENTS.map(({ title, pages }) => ({
  text: title,
  items: [
    ...Object.keys(pages).map((source) => ({
      text: titleOf(read(source)),
      link: `/${placeOf(source).replace('.md', '')}`,
    })),
    ...(title === 'API' ? REFERENCE : []),
  ],
}))

/** What heads nothing is no heading, and what may be scrolled can be reached by keys. */
function adapt(md) {
  md.core.ruler.push('adapt', ({ tokens }) => {
    for (const [index, token] of tokens.entries()) {
      if (token.type === 'code_block') token.attrSet('tabindex', '0')
      if (token.type !== 'th_open' || tokens[index + 1].content) continue
      token.tag = 'td'
      tokens[index + 2].tag = 'td'
    }
  })
}

/** One arrow, once around. */
const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path d='M13 8a5 5 0 1 1-2-4m0-3v3.5H7.5' fill='none' stroke='%239a5bc7' stroke-width='2'/></svg>"

export default defineConfig({
  title: 'refresh-once',
  description,
  lang: 'en',
  srcDir: '.cache/pages',
  srcExclude: ['public/**'],
  outDir: 'dist',
  cacheDir: '.cache/vitepress',
  head: [['link', { rel: 'icon', href: ICON }]],
  // Pictures and the timeline follow the system, and so does the site, with and without script.
  appearance: 'force-auto',
  // Only what is opened is fetched.
  router: { prefetchLinks: false },
  vue: { template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith('refresh-once-') } } },
  markdown: {
    anchor: { slugify: slugOf },
    config: adapt,
    // The usual ones are too faint to be read.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    outline: [2, 3],
    sidebar,
    nav: [
      { text: 'Guide', link: '/guide' },
      { text: 'Recipes', link: '/recipes' },
      { text: 'API', link: '/api' },
    ],
    socialLinks: [{ icon: 'github', link: homepage.replace(/#.*$/, '') }],
    search: { provider: 'local' },
  },
})
