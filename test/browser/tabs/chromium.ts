import type { CDPSession } from 'playwright-core'
import { startChromium } from '../launch.ts'
import { attach, type Target } from './devtools.ts'
import type { Engine, Tab } from './engine.ts'

export interface ChromiumTab extends Tab {
  readonly target: Target
}

export interface ChromiumEngine extends Engine {
  open(url: string): Promise<ChromiumTab>
}

interface History {
  readonly currentIndex: number
  readonly entries: readonly { readonly id: number }[]
}

export async function launchChromium(): Promise<ChromiumEngine> {
  const browser = await startChromium({
    args: [
      '--host-resolver-rules=MAP app.test 127.0.0.1',
      // The last one counts: Playwright's own switches off that third parties have storage of their own.
      '--disable-features=Translate',
    ],
    // People have it.
    without: ['--disable-back-forward-cache'],
  })
  const devtools = await browser.newBrowserCDPSession()
  const { browserContextId } = await devtools.send('Target.createBrowserContext')
  return {
    name: 'Chromium',
    insecureHost: 'app.test',
    open: (url) => open(devtools, browserContextId, url),
    close: () => browser.close(),
  }
}

async function open(devtools: CDPSession, browserContextId: string, url: string): Promise<ChromiumTab> {
  const { targetId } = await devtools.send('Target.createTarget', { url: 'about:blank', browserContextId })
  const target = await attach(devtools, targetId)
  await Promise.all([target.send('Page.enable'), target.send('Inspector.enable')])

  async function navigate(url: string): Promise<void> {
    const loaded = target.next('Page.loadEventFired')
    await target.send('Page.navigate', { url })
    await loaded
  }

  async function close(): Promise<void> {
    await devtools.send('Target.closeTarget', { targetId })
  }

  async function lifecycle(state: 'frozen' | 'active'): Promise<void> {
    await target.send('Page.setWebLifecycleState', { state })
  }

  await navigate(url)
  return {
    target,
    navigate,
    close,
    async kill() {
      const crashed = target.next('Inspector.targetCrashed')
      // There is no answer to this.
      target.send('Page.crash').catch(() => {})
      await crashed
      await close()
    },
    freeze: () => lifecycle('frozen'),
    resume: () => lifecycle('active'),
    async back() {
      // Asked of the browser: a page that calls `history.back()` may be put away before it has answered.
      const { currentIndex, entries } = (await target.send('Page.getNavigationHistory')) as History
      await target.send('Page.navigateToHistoryEntry', { entryId: entries[currentIndex - 1]?.id })
    },
  }
}
