import { fileURLToPath } from 'node:url'
import { build } from 'vitepress'
import { makeReference } from './reference.mjs'
import { stage } from './stage.mjs'

const here = new URL('./', import.meta.url)
const pages = new URL('.cache/pages/', here)

/** Makes `site/dist` anew. A link that leads nowhere is an error. */
export async function buildSite() {
  stage(pages)
  await makeReference(new URL('reference/', pages))
  await build(fileURLToPath(here))
}
