import { expect, onTestFinished, test } from 'vitest'
import { newClock } from '../test/setup.ts'
import { openSession } from './hot-reload.ts'

for (const isClosed of [true, false])
  test(`a module that is replaced ${isClosed ? 'takes its session with it' : 'leaves one behind that spends tokens, where it is not closed'}`, async () => {
    const { clock, advance } = newClock()
    let refreshes = 0
    const options = {
      clock,
      keepFresh: true,
      tokens: { accessToken: 'mine', expiresIn: 300 },
      refresh: () => ({ accessToken: `next-${++refreshes}`, expiresIn: 300 }),
    }
    const onReplace: (() => void)[] = []
    const session = openSession(options, isClosed ? { dispose: (run) => onReplace.push(run) } : undefined)
    onTestFinished(() => session.close())
    await session.refresh()
    expect(refreshes).toBe(1)
    for (const run of onReplace) run()
    await advance(600_000)
    if (isClosed) expect(refreshes).toBe(1)
    else expect(refreshes).toBeGreaterThan(1)
    session.close()
  })
