/** Processes that share a login: started, told what to do, and killed. */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WORKER = fileURLToPath(new URL('worker.mjs', import.meta.url))

export async function startCrew(world, way, processes) {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-'))
  const workers = await Promise.all(Array.from({ length: processes }, (_, index) => start(`${index}`)))

  async function start(name) {
    const task = { way, name, folder, address: `${world.origin}/mcp` }
    const child = fork(WORKER, [JSON.stringify(task)])
    const waiting = new Map()
    let count = 0
    let page
    const over = new Promise((resolve) => child.once('exit', resolve))
    await new Promise((resolve, reject) => {
      child.once('exit', reject)
      child.on('message', (message) => {
        if (message.ready) resolve()
        if (message.page) page = message.page
        const settle = waiting.get(message.id)
        if (settle) settle(message)
      })
    })
    return {
      name,
      page: () => page,
      /** Its result; undefined where the process has ended. */
      async ask(task, rest) {
        const id = ++count
        const answer = new Promise((resolve) => waiting.set(id, resolve))
        child.send({ id, task, ...rest })
        const { error, result } = (await Promise.race([answer, over.then(() => ({}))])) ?? {}
        if (error) throw new Error(error)
        return result
      },
      kill: () => child.kill('SIGKILL'),
      async end() {
        child.kill('SIGKILL')
        await over
      },
    }
  }

  return {
    workers,
    /** One signs in, and the others connect with what it has left. */
    async signIn() {
      const [first, ...others] = workers
      await first.ask('connect').catch(() => {})
      const back = await world.consent(new URL(first.page()))
      await first.ask('finish', { code: back.searchParams.get('code') })
      await Promise.all(others.map((worker) => worker.ask('connect')))
    },
    /** So many calls of each at once; what became of each. */
    async storm(calls, round) {
      const all = await Promise.all(
        workers.map(({ name, ask }) =>
          ask('call', { keys: Array.from({ length: calls }, (_, index) => `${round}-${name}-${index}`) }),
        ),
      )
      return all.flatMap((answers) => answers ?? [])
    },
    async end() {
      await Promise.all(workers.map((worker) => worker.end()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}
