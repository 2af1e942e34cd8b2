/** A process that begins, when it is told to, with the file that the app has had until now. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { openLogin } from './login.mjs'

const { former, ...login } = JSON.parse(process.argv[2])

process.on('message', async ({ delay }) => {
  const migrate = async () => {
    const text = await readFile(former, 'utf8')
    await sleep(delay)
    return JSON.parse(text)
  }
  const ask = openLogin({ ...login, migrate }, () => {})
  process.send({ status: await ask() }, () => process.disconnect())
})
process.send({ ready: true })
