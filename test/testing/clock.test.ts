import { describe, expect, test } from 'vitest'
import { createTestClock } from '../../src/testing/clock.ts'

describe('advance', () => {
  test('moves wall and monotonic time together', async () => {
    const time = createTestClock({ now: 1_000 })
    await time.advance(250)
    expect(time.clock.now()).toBe(1_250)
    expect(time.clock.monotonic()).toBe(250)
  })

  test('runs due timers in order of their time, and in order of setting where times are equal', async () => {
    const { clock, advance } = createTestClock({ now: 0 })
    const ran: string[] = []
    const note = (name: string) => () => ran.push(`${name} at ${clock.now()}`)
    clock.setTimeout(note('c'), 30)
    clock.setTimeout(note('a'), 10)
    clock.setTimeout(note('b1'), 20)
    clock.setTimeout(note('b2'), 20)
    clock.setTimeout(note('later'), 31)
    await advance(30)
    expect(ran).toEqual(['a at 10', 'b1 at 20', 'b2 at 20', 'c at 30'])
  })

  test('settles chains of promises between two timers', async () => {
    const { clock, advance } = createTestClock()
    const events: string[] = []
    clock.setTimeout(async () => {
      for (let turn = 0; turn < 20; turn++) await undefined
      events.push('chain of the first timer')
    }, 10)
    clock.setTimeout(() => events.push('second timer'), 11)
    await advance(11)
    expect(events).toEqual(['chain of the first timer', 'second timer'])
  })

  test('runs timers that are set on the way, if they fall due on the way', async () => {
    const { clock, advance } = createTestClock({ now: 0 })
    const ticks: number[] = []
    const tick = (): void => {
      ticks.push(clock.now())
      clock.setTimeout(tick, 10)
    }
    clock.setTimeout(tick, 10)
    await advance(35)
    expect(ticks).toEqual([10, 20, 30])
  })

  test('waits for its turn when it is called twice', async () => {
    const { clock, advance } = createTestClock({ now: 0 })
    await Promise.all([advance(10), advance(5)])
    expect(clock.now()).toBe(15)
  })

  test('hands on what a timer throws and goes on working', async () => {
    const { clock, advance } = createTestClock({ now: 0 })
    clock.setTimeout(() => {
      throw new Error('from a timer')
    }, 1)
    await expect(advance(5)).rejects.toThrow('from a timer')
    await advance(5)
    expect(clock.now()).toBe(6)
  })

  test('gives up on a timer that sets itself again without delay', async () => {
    const { clock, advance } = createTestClock()
    const again = (): void => {
      clock.setTimeout(again, 0)
    }
    again()
    await expect(advance(1)).rejects.toThrow('one keeps setting itself again')
  })

  test('refuses to go back', () => {
    const time = createTestClock()
    expect(() => time.advance(-1)).toThrow('advance(ms): expected')
    expect(() => time.sleep(Number.NaN)).toThrow('sleep(ms): expected')
  })
})

describe('timers', () => {
  test('do not run once they are cleared, and are counted while they are set', async () => {
    const time = createTestClock()
    let ran = 0
    const timer = time.clock.setTimeout(() => ran++, 10)
    time.clock.setTimeout(() => ran++, 20)
    expect(time.pending).toBe(2)
    time.clock.clearTimeout(timer)
    time.clock.clearTimeout(undefined)
    await time.advance(20)
    expect(ran).toBe(1)
    expect(time.pending).toBe(0)
  })

  test('end after 2^31-1 milliseconds at the latest, as those of the runtime do', async () => {
    const { clock, advance } = createTestClock({ now: 0 })
    const ran: number[] = []
    clock.setTimeout(() => ran.push(clock.now()), 90 * 24 * 3600 * 1000)
    await advance(2 ** 31)
    expect(ran).toEqual([2 ** 31 - 1])
  })
})

test('a jump moves the wall clock only, forwards or back', async () => {
  const { clock, advance, jump } = createTestClock({ now: 1_000_000 })
  let ran = false
  clock.setTimeout(() => {
    ran = true
  }, 100)
  jump(3_600_000)
  jump(-7_200_000)
  await advance(99)
  expect(ran).toBe(false)
  expect(clock.now()).toBe(1_000_000 - 3_600_000 + 99)
  expect(clock.monotonic()).toBe(99)
  await advance(1)
  expect(ran).toBe(true)
})

test('monotonic time and timers stand still while the machine sleeps', async () => {
  const time = createTestClock({ now: 0 })
  let ran = false
  time.clock.setTimeout(() => {
    ran = true
  }, 100)
  time.sleep(3_600_000)
  await time.advance(50)
  expect(ran).toBe(false)
  expect(time.clock.now()).toBe(3_600_050)
  expect(time.clock.monotonic()).toBe(50)
})

test('chance is the same for the same seed, another for another, and within [0, 1)', () => {
  const draw = (seed: number): number[] => {
    const { clock } = createTestClock({ seed })
    return Array.from({ length: 1_000 }, () => clock.random())
  }
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
  for (const number of draw(7)) {
    expect(number).toBeGreaterThanOrEqual(0)
    expect(number).toBeLessThan(1)
  }
})
