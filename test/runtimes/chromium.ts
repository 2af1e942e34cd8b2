import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { startChromium } from '../browser/launch.ts'
import type { Given, Outcome, Results } from './outcome.ts'

declare global {
  /** The program, in a page. */
  var run: (given: Results<Given>) => Promise<Results<Outcome>>
}

/**
 * Runs the program in a page of Chromium, with no bundler in between: the modules of the package are served as
 * they are, and an import map tells the page the names of packages. They are those that bundlers and CDNs take.
 */
export async function runInChromium(folder: string, given: Results<Given>): Promise<Results<Outcome>> {
  const site = await serve(folder)
  const browser = await startChromium()
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(120_000)
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
    await page.waitForFunction('globalThis.run')
    return await page.evaluate((given) => run(given), given)
  } finally {
    await browser.close()
    site.close()
    site.closeAllConnections()
  }
}

const PAGE = `<!doctype html>
<script type="importmap">
  {
    "imports": {
      "axios": "/axios/dist/esm/axios.js",
      "refresh-once": "/node_modules/refresh-once/dist/production/index.js",
      "refresh-once/": "/node_modules/refresh-once/dist/production/"
    }
  }
</script>
<script type="module" src="/page.mjs"></script>
`

async function serve(folder: string): Promise<Server> {
  const axios = dirname(createRequire(import.meta.url).resolve('axios/package.json'))
  const server = createServer(({ url = '/' }, response) => {
    if (url === '/') return response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
    const { pathname } = new URL(url, 'http://localhost')
    const path = pathname.startsWith('/axios/') ? join(axios, pathname.slice(7)) : join(folder, pathname)
    const named = /\.m?js$/.test(path) ? path : `${path}.js`
    createReadStream(named)
      .once('error', () => response.writeHead(404).end())
      .once('open', () => response.writeHead(200, { 'content-type': 'text/javascript' }))
      .pipe(response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server
}
