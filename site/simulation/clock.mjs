/**
 * Time that passes only when somebody lets it, in a page: what is due happens in its order, each at its own time, and
 * promises come to rest in between. Chance is the same in each run.
 */
export function createClock(start) {
  const timers = new Map()
  let now = start
  let count = 0
  let seed = 1

  return {
    clock: {
      now: () => now,
      monotonic: () => now - start,
      setTimeout(run, ms) {
        timers.set(++count, { due: now + Math.max(0, ms), run })
        return count
      },
      clearTimeout: (timer) => timers.delete(timer),
      random() {
        seed = (seed * 48_271) % 2_147_483_647
        return seed / 2_147_483_647
      },
    },

    /** Resolves when everything has happened that is due until then. */
    async runUntil(end) {
      await rest()
      for (;;) {
        const [id, next] = [...timers].sort(([, a], [, b]) => a.due - b.due)[0] ?? []
        if (!next || next.due > end) break
        timers.delete(id)
        now = Math.max(now, next.due)
        next.run()
        await rest()
      }
      now = end
    },
  }
}

/** A task: promises that are settled have been heard by then. */
function rest() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}
