/**
 * `npm run docs`: builds the site of the documents, and serves it on this machine. `npm run docs:build` only builds it, to
 * `site/dist`; `npm run docs:check` builds it, and tries it in Chromium. What it is built with has a package file of its own, and is installed here.
 */
import { ensureChromium, ensurePackages } from './setup.mjs'

ensurePackages()
ensurePackages('site')
const { buildSite } = await import('../site/build.mjs')
await buildSite()
if (process.argv.includes('--check')) {
  const { checkSite } = await import('../site/check.mjs')
  const wrong = await checkSite(await ensureChromium())
  for (const line of wrong) console.log(line)
  console.log(wrong.length > 0 ? `${wrong.length} faults` : 'The site is as it should be.')
  process.exitCode = wrong.length > 0 ? 1 : 0
} else if (!process.argv.includes('--build')) {
  const { serveSite } = await import('../site/serve.mjs')
  const { origin } = await serveSite(Number(process.env.PORT || '8402'))
  console.log(`\nOpen ${origin}\nCtrl+C ends it.`)
}
