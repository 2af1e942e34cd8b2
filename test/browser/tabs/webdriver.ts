import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../setup.ts'
import { descendants } from './processes.ts'

/** What the driver starts. */
const BROWSERS = /MiniBrowser/

/** A session of WebDriver (https://www.w3.org/TR/webdriver2), without a library. */
export interface WebDriver {
  /** @param path below the session, as in `/window/new` */
  send<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T>
  close(): Promise<void>
}

export async function openWebDriver(program: string, env: Record<string, string>): Promise<WebDriver> {
  const url = await freePort()
  const args = ['--host=127.0.0.1', `--port=${new URL(url).port}`]
  const driver = spawn(program, args, { stdio: 'ignore', env: { ...process.env, ...env } })
  const gone = once(driver, 'exit')
  async function end(): Promise<void> {
    // A driver that has lost its browser leaves it behind.
    for (const pid of descendants(driver.pid ?? 0, BROWSERS)) process.kill(pid)
    driver.kill()
    await gone
  }

  async function send<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(url + path, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    const { value } = (await response.json()) as { value: T }
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(value)}`)
    return value
  }

  /** It listens soon after it was started. */
  async function begin(): Promise<string> {
    for (let tries = 1; ; tries++) {
      try {
        await send('GET', '/status')
        break
      } catch (error) {
        if (tries === 100) throw error
        await sleep(50)
      }
    }
    const { sessionId } = await send<{ sessionId: string }>('POST', '/session', {
      capabilities: { alwaysMatch: {} },
    })
    return `/session/${sessionId}`
  }

  try {
    const session = await begin()
    return {
      send: (method, path, body) => send(method, session + path, body),
      async close() {
        await send('DELETE', session).catch(() => {})
        await end()
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}
