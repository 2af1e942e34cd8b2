import { join } from 'node:path'
import envPaths from 'env-paths'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { fileStore } from 'refresh-once/file'
import { refreshTokenGrant } from 'refresh-once/oauth'

/** Where users sign in, and as whom this tool is known there: a public client, because a secret in a program is none. */
export const issuer: string = process.env.MY_CLI_ISSUER ?? 'https://id.example.com'
export const clientId = 'my-cli'
const api = process.env.MY_CLI_API ?? 'https://api.example.com'
/** An MCP server that takes the same tokens. */
export const tools = new URL(process.env.MY_CLI_TOOLS ?? 'https://tools.example.com/mcp')

export const grant = refreshTokenGrant({ issuer, clientId })

/** One login for all terminals, workers and daemons of this user. */
export const session = createSession({
  ...grant,
  store: fileStore({ path: join(envPaths('my-cli', { suffix: '' }).config, 'login') }),
  tokens: null,
})

export const fetchApi = withSession(session, { origins: [api, tools.origin] })

/** Rejects with `session_expired` where nobody is signed in: without that, a request goes out bare. */
export async function call(path: string): Promise<Response> {
  await session.getAccessToken()
  return fetchApi(new URL(path, api))
}
