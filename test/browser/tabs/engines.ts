import { launchChromium } from './chromium.ts'
import type { Engine } from './engine.ts'
import { launchFirefox } from './firefox.ts'
import { launchWebKit } from './webkit.ts'

/** An empty path says that there is no such browser here. */
const { FIREFOX_PATH = '/usr/bin/firefox-esr', WEBKIT_DRIVER_PATH = '/usr/bin/WebKitWebDriver' } = process.env

/** The browsers that the tests run in. */
export const engines: readonly { name: Engine['name']; launch: () => Promise<Engine> }[] = [
  { name: 'Chromium' as const, launch: launchChromium },
  ...(FIREFOX_PATH ? [{ name: 'Firefox' as const, launch: () => launchFirefox(FIREFOX_PATH) }] : []),
  ...(WEBKIT_DRIVER_PATH
    ? [{ name: 'WebKit' as const, launch: () => launchWebKit(WEBKIT_DRIVER_PATH) }]
    : []),
]
