/** One of the processes that share a grant, in a file or in Redis. It does what the driver tells it. */
import * as oauth from 'oauth4webapi'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { fileStore } from 'refresh-once/file'
import { clientCredentialsGrant, createDpop, refreshTokenGrant } from 'refresh-once/oauth'
import { redisStores } from 'refresh-once/redis'

const { issuer, path, redis, secret, machine, keys } = JSON.parse(process.argv[2])

let ahead = 0
const clock = {
  now: () => Date.now() + ahead,
  monotonic: () => performance.now() + ahead,
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  random: Math.random,
}
const client = redis && (await connect())
const dpop = keys && createDpop({ key: await keyOf(await import(keys)) })
const grant = machine
  ? clientCredentialsGrant({ issuer, clientId: 'basic', clientAuth: oauth.ClientSecretBasic(secret), dpop })
  : refreshTokenGrant({ issuer, clientId: 'app', dpop })
const store = path ? fileStore({ path, clock }) : redisStores({ client, clock })('alice')
const session = createSession({ ...grant, store, clock, deadline: 60_000 })
const api = withSession(session, { origins: [issuer] })

const tasks = {
  pass({ ms }) {
    ahead += ms
  },
  thumbprint: async () => (await dpop.handle()).calculateThumbprint(),
  signIn: ({ tokens }) => session.signIn(tokens),
  refresh: () => session.refresh(),
  accessToken: () => session.getAccessToken(),
  request: ({ count }) =>
    Promise.all(
      Array.from({ length: count }, () =>
        api(issuer + (machine ? '/api/machine' : '/me')).then(
          ({ status }) => status,
          (error) => String(error),
        ),
      ),
    ),
}

process.on('message', async ({ id, task, ...rest }) => {
  try {
    process.send({ id, result: await tasks[task](rest) })
  } catch (error) {
    process.send({ id, error: String(error) })
  }
})
process.on('disconnect', () => process.exit())
process.send({ ready: true })

/** As the recipe has it. */
function keyOf({ keyInFile, keyInRedis }) {
  return path ? keyInFile(`${path}.key`) : keyInRedis(client, 'my-app:dpop')
}

async function connect() {
  const { createClient } = await import('redis')
  return createClient({ url: redis }).connect()
}
