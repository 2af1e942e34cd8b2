import { findSessionError } from 'refresh-once'
import { runWorkers } from './host.ts'
import { loginInBrowser, loginOnOtherDevice } from './login.ts'
import { call, grant, session } from './session.ts'
import { callTool } from './worker.ts'

const commands: Record<string, (...args: string[]) => Promise<unknown>> = {
  async login(how) {
    await (how === '--device' ? loginOnOtherDevice() : loginInBrowser())
    await commands.whoami?.()
  },

  async whoami() {
    const response = await call('/me')
    if (!response.ok) throw new Error(`answered with ${response.status}`)
    console.log(`signed in as ${(await response.json()).sub}`)
  },

  async call(path = '/me', times = '1') {
    const responses = await Promise.all(Array.from({ length: Number(times) }, () => call(path)))
    for (const response of responses) {
      await response.text()
      console.log(response.status)
      if (!response.ok) process.exitCode = 1
    }
  },

  async tool(name = 'whoami', times = '1') {
    for (const text of await callTool(name, Number(times))) console.log(text)
  },

  async workers(count = '3', calls = '5') {
    console.log(`${await runWorkers(Number(count), Number(calls))} of ${count} workers did their work`)
  },

  async logout() {
    // Whether the server could be reached or not: nobody is signed in here any more.
    await session.signOut({ server: grant.revoke })
    console.log('signed out')
  },
}

const [name = '', ...args] = process.argv.slice(2)
const command = commands[name]
if (!command) {
  console.error(`Commands: ${Object.keys(commands).join(', ')}`)
  process.exitCode = 2
} else {
  try {
    await command(...args)
  } catch (error) {
    const over = findSessionError(error)?.code === 'session_expired'
    console.error(over ? 'Nobody is signed in: my-cli login' : String(error))
    process.exitCode = 1
  }
}
