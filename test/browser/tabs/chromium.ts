import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import { startChromium } from '../launch.ts'
import type { Engine, Tab } from './engine.ts'

/** What the protocol of Chromium's developer tools can do besides. */
export interface ChromiumTab extends Tab {
  readonly page: Page
  readonly devtools: CDPSession
}

export interface ChromiumEngine extends Engine {
  open(url: string): Promise<ChromiumTab>
}

export async function launchChromium(): Promise<ChromiumEngine> {
  const browser = await startChromium({
    args: ['--host-resolver-rules=MAP app.test 127.0.0.1'],
    // Playwright's own choice; people have it.
    without: ['--disable-back-forward-cache'],
  })
  const context = await browser.newContext()
  return {
    name: 'Chromium',
    insecureHost: 'app.test',
    open: (url) => open(context, url),
    close: () => browser.close(),
  }
}

async function open(context: BrowserContext, url: string): Promise<ChromiumTab> {
  const page = await context.newPage()
  page.setDefaultTimeout(20_000)
  const devtools = await context.newCDPSession(page)
  await devtools.send('Page.enable')
  await page.goto(url)
  const lifecycle = async (state: 'frozen' | 'active'): Promise<void> => {
    await devtools.send('Page.setWebLifecycleState', { state })
  }
  return {
    page,
    devtools,
    navigate: async (url) => void (await page.goto(url)),
    close: () => page.close(),
    async kill() {
      const crashed = page.waitForEvent('crash')
      // There is no answer to this.
      devtools.send('Page.crash').catch(() => {})
      await crashed
      await page.close()
    },
    freeze: () => lifecycle('frozen'),
    resume: () => lifecycle('active'),
    back: () => page.evaluate('history.back()').then(() => {}),
  }
}
