/** One process of an agent: an MCP client whose login is in a folder that several share. Plain JavaScript, of what is built. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { fileStore } from 'refresh-once/file'
import { mcpSession } from 'refresh-once/mcp'

const { way, name, folder, address } = JSON.parse(process.argv[2])
const url = new URL(address)
const file = join(folder, 'app.json')

/** What apps write: one JSON file, read and written as a whole. */
function read() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return {}
  }
}
const keep = (part) => writeFileSync(file, JSON.stringify({ ...read(), ...part }))

const provider = {
  redirectUrl: 'http://127.0.0.1:1/callback',
  clientMetadata: {
    client_name: 'agent',
    redirect_uris: ['http://127.0.0.1:1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
  },
  clientInformation: () => read().client,
  saveClientInformation: (client) => keep({ client }),
  tokens: () => read().tokens,
  saveTokens: (tokens) => keep({ tokens }),
  codeVerifier: () => read().verifier,
  saveCodeVerifier: (verifier) => keep({ verifier }),
  redirectToAuthorization: (page) => process.send({ page: page.href }),
  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'tokens') keep({ tokens: undefined })
    if (scope === 'all' || scope === 'client') keep({ client: undefined })
  },
}
/** The server can tell who asks. */
const named = (input, init) => {
  const headers = new Headers(init?.headers)
  headers.set('x-worker', name)
  return fetch(input, { ...init, headers })
}
const options =
  way === 'ours'
    ? mcpSession({
        auth,
        provider,
        url,
        fetch: named,
        store: fileStore({ path: join(folder, 'login') }),
      })
    : { authProvider: provider, fetch: named }

let client
let transport
async function connect() {
  client = new Client({ name, version: '1' })
  transport = new StreamableHTTPClientTransport(url, options)
  await client.connect(transport)
}

const tasks = {
  connect,
  finish: async ({ code }) => {
    await transport.finishAuth(code)
    await connect()
  },
  async call({ keys }) {
    const calls = keys.map((key) =>
      client.callTool({ name: 'add', arguments: { key } }, undefined, { timeout: 20_000 }),
    )
    const settled = await Promise.allSettled(calls)
    return settled.map(({ status, reason }) => (status === 'fulfilled' ? 'answered' : String(reason)))
  },
}

process.on('message', async ({ id, task, ...rest }) => {
  try {
    process.send({ id, result: await tasks[task](rest) })
  } catch (error) {
    process.send({ id, error: String(error) })
  }
})
process.send({ ready: true })
