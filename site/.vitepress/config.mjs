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

export default defineConfig({
  title: 'refresh-once',
  description,
  lang: 'en',
  srcDir: '.cache/pages',
  srcExclude: ['public/**'],
  outDir: 'dist',
  cacheDir: '.cache/vitepress',
  // Pictures and the timeline follow the system, and so does the site, with and without script.
  appearance: 'force-auto',
  // Only what is opened is fetched.
  router: { prefetchLinks: false },
  markdown: { anchor: { slugify: slugOf } },
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
