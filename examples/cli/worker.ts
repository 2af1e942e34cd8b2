import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { fetchApi, tools } from './session.ts'

/** What a worker does: calls of a tool of an MCP server, several at once, as whoever is signed in. */
export async function callTool(name: string, times: number): Promise<string[]> {
  const client = new Client({ name: 'my-cli', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(tools, { fetch: fetchApi }) as Transport)
  try {
    const results = await Promise.all(
      Array.from({ length: times }, () => client.callTool({ name, arguments: {} })),
    )
    return results.map(({ content }) => (content as { text: string }[])[0]?.text ?? '')
  } finally {
    await client.close()
  }
}
