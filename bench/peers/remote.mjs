import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Opens the server in a process of its own.
 *
 * @param options of the server, and `latency` of its front
 */
export async function openServer(options) {
  const child = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), [JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const waiting = new Map()
  let asked = 0
  const ready = new Promise((resolve) => waiting.set(0, resolve))
  child.on('message', ([id, result]) => {
    waiting.get(id)(result)
    waiting.delete(id)
  })
  const ask = (...message) =>
    new Promise((resolve) => {
      waiting.set(++asked, resolve)
      child.send([asked, ...message])
    })
  await ready
  return {
    url: await ask('address'),
    mint: () => ask('mint'),
    expireAccessTokens: () => ask('expire'),
    revokeFamily: () => ask('revoke'),
    fault: (kind, { times = 1 } = {}) => ask('fault', kind, times),
    async hold(path) {
      await ask('hold', path)
      return {
        untilArrived: (count = 1) => ask('arrived', path, count),
        release: () => void ask('release', path),
      }
    },
    tally: () => ask('tally'),
    close: () => child.disconnect(),
  }
}
