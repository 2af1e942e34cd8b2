import { type Browser, chromium } from 'playwright-core'

/** A browser that talks to nobody but our servers, and runs where the tests may be root. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface ChromiumOptions {
  /** More flags. */
  args?: readonly string[]
  /** Flags of Playwright's own that are left out. */
  without?: readonly string[]
}

/** Starts the Chromium that the tests drive. */
export function startChromium({ args = [], without = [] }: ChromiumOptions = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_PATH || '/usr/bin/chromium',
    timeout: 60_000,
    args: [...FLAGS, ...args],
    ignoreDefaultArgs: [...without],
  })
}
