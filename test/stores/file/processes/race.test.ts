import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createTestClock } from 'refresh-once/testing'
import { afterAll, expect, test } from 'vitest'
import { createRegister } from '../../../../src/stores/file/register.ts'
import { newFolder } from '../folder.ts'
import { seed, soaking } from './soaking.ts'

/** `npm run soak -- file` asks for more. */
const UPDATES = Number(process.env.SOAK_UPDATES ?? 1_500)
const WORKER = fileURLToPath(new URL('race-worker.mjs', import.meta.url))
const folder = newFolder()
const children = new Set<ChildProcess>()
afterAll(() => Promise.all([...children].map(end)))

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

interface Counts {
  counts?: Record<string, number>
}

for (const [how, env] of [
  ['files are linked', {}],
  ['no file can have two names', { WITHOUT_LINKS: 'yes' }],
] as const) {
  test(`no update that was acknowledged is lost under kills and stops, where ${how}`, {
    timeout: 3_600_000,
  }, async () => {
    const path = join(folder, how)
    const acknowledged: Record<string, number> = {}
    const { random } = createTestClock({ seed }).clock
    let processes = 0
    let blows = 0
    let updates = 0
    const racing = new Map<ChildProcess, string>()
    let reached = () => {}
    const enough = new Promise<void>((resolve) => {
      reached = resolve
    })
    const born = () => {
      const name = `p${++processes}`
      const child = fork(WORKER, [path, name], {
        execArgv: ['--import', fileURLToPath(new URL('operations.mjs', import.meta.url))],
        env: { ...process.env, ...env },
      })
      children.add(child)
      racing.set(child, name)
      child.on('message', (count) => {
        acknowledged[name] = Number(count)
        if (++updates === UPDATES) reached()
      })
      child.once('exit', () => {
        children.delete(child)
        racing.delete(child)
      })
    }
    for (let index = 0; index < 6; index++) born()

    const register = createRegister(
      path,
      async (_, call) => call(),
      () => {},
    )
    const lost: string[] = []
    const compare = async (least: Record<string, number>) => {
      const { counts = {} } = (await register.look()).state as Counts
      for (const [name, count] of Object.entries(least))
        if ((counts[name] ?? 0) < count) lost.push(`${name}: ${counts[name]} of ${count}`)
    }
    let over = false
    void enough.then(() => {
      over = true
    })
    while (!over) {
      await sleep(40 + random() * 120)
      const victim = [...racing.keys()][Math.floor(random() * racing.size)]
      if (!victim) continue
      blows++
      if (random() < 0.3) {
        void end(victim)
        born()
      } else {
        victim.kill('SIGSTOP')
        setTimeout(() => victim.kill('SIGCONT'), 80 + random() * 700)
      }
      await compare({ ...acknowledged })
    }
    const last = { ...acknowledged }
    await Promise.all([...racing.keys()].map(end))
    await compare(last)
    expect(lost).toEqual([])
    const line = `${updates} updates of ${processes} processes, where ${how}, ${blows} blows, seed ${seed}: ${lost.length} lost`
    if (soaking) console.log(line)
  })
}
