import { openDisplay } from './display.ts'
import type { Engine } from './engine.ts'
import { openerWithProcess } from './own-process.ts'
import { openWebDriver } from './webdriver.ts'

/** WebKitGTK's MiniBrowser. A second tab would be hidden, so each tab is a window. */
export async function launchWebKit(program: string): Promise<Engine> {
  const display = await openDisplay()
  const driver = await openWebDriver(program, { DISPLAY: display.name }).catch(async (error) => {
    await display.close()
    throw error
  })
  let last: Promise<unknown> = Promise.resolve()
  /** The driver knows one current window: whoever wants another waits until nobody needs this one. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work)
    last = next.catch(() => {})
    return next
  }
  const withProcess = openerWithProcess(/WebKitWebProcess/)
  // The first window stays: without any, the browser ends, and from one that is closed no other is opened.
  const first = await driver.send<string>('GET', '/window')

  return {
    name: 'WebKit',
    insecureHost: '[::ffff:127.0.0.1]',
    async open(url) {
      const { opened: handle, process } = await withProcess(() =>
        inTurn(async () => {
          await driver.send('POST', '/window', { handle: first })
          const { handle } = await driver.send<{ handle: string }>('POST', '/window/new', { type: 'window' })
          await driver.send('POST', '/window', { handle })
          await driver.send('POST', '/url', { url })
          return handle
        }),
      )
      const here = <T>(work: () => Promise<T>): Promise<T> =>
        inTurn(async () => {
          await driver.send('POST', '/window', { handle })
          return work()
        })
      const close = () => here(() => driver.send('DELETE', '/window')).then(() => {})
      return {
        navigate: (url) => here(() => driver.send('POST', '/url', { url })),
        close,
        async kill() {
          process().kill()
          await close()
        },
        freeze: async () => process().stop(),
        resume: async () => process().goOn(),
        back: () => here(() => driver.send('POST', '/back', {})),
      }
    },
    async close() {
      try {
        await driver.close()
      } finally {
        await display.close()
      }
    },
  }
}
