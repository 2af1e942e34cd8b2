import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, test } from 'vitest'
import { serving } from '../server.ts'
import { expectOneTokenRequestEach } from './crew.ts'

const start = serving()

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-grant-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'login')
}

test('4 processes share a login file and its rotating grant: one refresh at each expiry, all is answered', async () => {
  await expectOneTokenRequestEach(await start(), { path: newPath() }, { processes: 4, machine: false })
})

test('8 machines share a file: one token request at each expiry', async () => {
  await expectOneTokenRequestEach(await start(), { path: newPath() }, { processes: 8, machine: true })
})

test('4 processes share a login file and a key: with proofs and nonces, one refresh at each expiry', async () => {
  const server = await start({ dpop: true })
  await expectOneTokenRequestEach(server, { path: newPath() }, { processes: 4, machine: false, dpop: true })
})
