/**
 * Steady traffic of one contestant over several short-lived tokens, or with one that does not expire. The two run at the
 * same time, so that whatever else the machine does disturbs both.
 */
import { STEADY } from './options.mjs'
import { openServer } from './remote.mjs'
import { openClient } from './sign-in.mjs'

const { latency, lifetime, every, length } = STEADY
const HOUR = 3_600_000
const [file, kind] = process.argv.slice(2)
const contestant = await import(`./contestants/${file}`)
console.error = () => {}
process.on('unhandledRejection', () => {})

const accessTokenLifetime = kind === 'never' ? HOUR : lifetime
const server = await openServer({ latency, grace: 0, accessTokenLifetime })
// The first requests of a process measure its compiler.
const warm = await openClient(await import('./contestants/bare-axios.mjs'), server, {
  expiresAt: Date.now() + HOUR,
})
for (let count = 0; count < 50; count++) await warm.request('/api/items').catch(() => {})
const client = await openClient(contestant, server, { expiresAt: Date.now() + accessTokenLifetime })
for (let count = 0; count < 20; count++) await client.request('/api/items').catch(() => {})

const times = []
let failed = 0
const pending = []
const begun = performance.now()
// A request every so often, whether those before have been answered or not.
while (performance.now() - begun < length) {
  const sent = performance.now()
  pending.push(
    client.request('/api/items').then(
      () => times.push(performance.now() - sent),
      () => failed++,
    ),
  )
  await new Promise((resolve) => setTimeout(resolve, every))
}
await Promise.race([Promise.all(pending), new Promise((resolve) => setTimeout(resolve, 3_000))])
process.send({ times, failed, hung: pending.length - times.length - failed }, () => process.exit(0))
