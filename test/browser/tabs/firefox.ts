import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { firefox } from 'playwright-core'
import type { Engine } from './engine.ts'
import { openerWithProcess } from './own-process.ts'

/** More than any test has tabs: each gets a process of its own, that can be killed and frozen alone. */
const PROCESSES = 64

export async function launchFirefox(program: string): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-firefox-'))
  const browser = await firefox
    .launch({
      channel: 'moz-firefox',
      executablePath: survivor(program, folder),
      timeout: 60_000,
      firefoxUserPrefs: {
        'dom.ipc.processCount': PROCESSES,
        'dom.ipc.processCount.webIsolated': PROCESSES,
        // Only what is new with a tab belongs to it.
        'dom.ipc.processPrelaunch.enabled': false,
        'network.dns.localDomains': 'app.test',
      },
    })
    .finally(() => rmSync(folder, { recursive: true }))
  const context = await browser.newContext()
  const withProcess = openerWithProcess(/-contentproc .*-isForBrowser .* tab\b/)
  return {
    name: 'Firefox',
    insecureHost: 'app.test',
    async open(url) {
      const { opened: page, process } = await withProcess(async () => {
        const page = await context.newPage()
        page.setDefaultTimeout(20_000)
        await page.goto(url)
        return page
      })
      return {
        navigate: async (url) => void (await page.goto(url)),
        close: () => page.close(),
        async kill() {
          process().kill()
          await page.close()
        },
        freeze: async () => process().stop(),
        resume: async () => process().goOn(),
        back: async () => void (await page.goBack()),
      }
    },
    close: () => browser.close(),
  }
}

/** Playwright tells Firefox to end when a tab crashes. */
function survivor(program: string, folder: string): string {
  const path = join(folder, 'firefox')
  writeFileSync(path, `#!/bin/sh\nunset MOZ_CRASHREPORTER_SHUTDOWN\nexec '${program}' "$@"\n`, {
    mode: 0o755,
  })
  return path
}
