import { type Display, openDisplay } from './display.ts'
import type { Engine, Tab } from './engine.ts'
import { type OwnProcess, openerWithProcess } from './own-process.ts'
import { openWebDriver, type WebDriver } from './webdriver.ts'

/** A browser that the driver still knows. */
interface Browser {
  readonly driver: WebDriver
  /** The window that stays: without any, the browser ends, and from one that is closed no other is opened. */
  readonly first: string
}

/**
 * WebKitGTK's MiniBrowser. A second tab would be hidden, so each tab is a window. When one has been killed, the driver
 * knows the browser no more: the other tabs go on, and can be called, and the next one is opened in a new browser.
 */
export async function launchWebKit(program: string): Promise<Engine> {
  const display = await openDisplay()
  let browser: Browser | undefined
  let last: Promise<unknown> = Promise.resolve()
  const withProcess = openerWithProcess(/WebKitWebProcess/)

  /** The driver has one current window: whoever wants another waits until nobody needs this one. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }

  async function forget(): Promise<void> {
    const { driver } = browser ?? {}
    browser = undefined
    await driver?.close()
  }

  async function open(url: string): Promise<Tab> {
    browser ??= await begin(program, display)
    const { driver, first } = browser
    const { opened: handle, process } = await withProcess(async () => {
      await driver.send('POST', '/window', { handle: first })
      const { handle } = await driver.send<{ handle: string }>('POST', '/window/new', { type: 'window' })
      await driver.send('POST', '/window', { handle })
      await driver.send('POST', '/url', { url })
      return handle
    })
    return tabOf(driver, handle, process)
  }

  function tabOf(driver: WebDriver, handle: string, process: () => OwnProcess): Tab {
    const here = (work: () => Promise<unknown>): Promise<void> =>
      inTurn(async () => {
        await driver.send('POST', '/window', { handle })
        await work()
      })
    return {
      navigate: (url) => here(() => driver.send('POST', '/url', { url })),
      // A browser that cannot be driven closes no window any more.
      close: async () => (dead.has(driver) ? process().kill() : here(() => driver.send('DELETE', '/window'))),
      async kill() {
        process().kill()
        // The next tab must not be opened in a browser that cannot be driven.
        dead.add(driver)
      },
      freeze: async () => process().stop(),
      resume: async () => process().goOn(),
      back: () => here(() => driver.send('POST', '/back', {})),
    }
  }

  const dead = new WeakSet<WebDriver>()
  browser = await begin(program, display).catch(async (error) => {
    await display.close()
    throw error
  })
  return {
    name: 'WebKit',
    insecureHost: '[::ffff:127.0.0.1]',
    open: (url) =>
      inTurn(async () => {
        if (browser && dead.has(browser.driver)) await forget()
        return open(url)
      }),
    async close() {
      try {
        await forget()
      } finally {
        await display.close()
      }
    },
  }
}

async function begin(program: string, display: Display): Promise<Browser> {
  const driver = await openWebDriver(program, { DISPLAY: display.name })
  return { driver, first: await driver.send<string>('GET', '/window') }
}
