/**
 * Two MCP clients that share a login folder in the working directory, as two processes would: a login, and ten calls of
 * each at expiries that nobody has foreseen. With both of the SDK's packages, each at a server of its own. Comes to its
 * end by itself.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import * as client from '@modelcontextprotocol/client'
import { auth } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { fileStore } from 'refresh-once/file'
import { mcpSession } from 'refresh-once/mcp'

const folder = mkdtempSync(join(process.cwd(), 'logins-'))
const kits = { sdk: { auth, Client, StreamableHTTPClientTransport }, client }
const answers = {}
for (const [name, origin] of Object.entries(JSON.parse(process.env.GIVEN)))
  answers[name] = await perform(kits[name], origin, join(folder, name))
rmSync(folder, { recursive: true, force: true })
console.log(JSON.stringify(answers))

/** An app's provider, in memory. */
function newProvider() {
  const redirectUrl = 'http://127.0.0.1:1/callback'
  const kept = {}
  return {
    redirectUrl,
    clientMetadata: {
      client_name: 'program',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_post',
    },
    kept,
    clientInformation: () => kept.client,
    saveClientInformation(client) {
      kept.client = client
    },
    tokens: () => kept.tokens,
    saveTokens(tokens) {
      kept.tokens = tokens
    },
    redirectToAuthorization(page) {
      kept.page = page
    },
    saveCodeVerifier(verifier) {
      kept.verifier = verifier
    },
    codeVerifier: () => kept.verifier,
  }
}

async function perform({ auth, Client, StreamableHTTPClientTransport }, origin, path) {
  const url = new URL('/mcp', origin)
  const provider = newProvider()
  const sessions = [1, 2].map(() => mcpSession({ auth, provider, url, store: fileStore({ path }) }))
  const connect = async (mcp) => {
    const client = new Client({ name: 'program', version: '1' })
    const transport = new StreamableHTTPClientTransport(url, mcp)
    try {
      await client.connect(transport)
      return client
    } catch (error) {
      if (!/Unauthorized/.test(error.constructor.name) || !provider.kept.page) throw error
    }
    const response = await fetch(provider.kept.page, { redirect: 'manual' })
    await response.body?.cancel()
    await transport.finishAuth(new URL(response.headers.get('location')).searchParams.get('code'))
    return connect(mcp)
  }
  const clients = [await connect(sessions[0]), await connect(sessions[1])]
  let answered = 0
  for (let round = 0; round < 3; round++) {
    await (await fetch(new URL('/expire', origin), { method: 'POST' })).text()
    const calls = clients.flatMap((client, index) =>
      Array.from({ length: 10 }, (_, call) =>
        client.callTool({ name: 'add', arguments: { key: `${round}-${index}-${call}` } }),
      ),
    )
    for (const { content } of await Promise.all(calls)) if (content[0].text) answered++
  }
  for (const client of clients) await client.close()
  for (const { session } of sessions) session.close()
  return answered
}
