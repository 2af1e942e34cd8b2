import { buildSchema, graphql } from 'graphql'
import type { AuthServer } from 'refresh-once/testing'

const schema = buildSchema(`
  type Item { id: ID! }
  type Query { item(id: ID!): Item }
  type Mutation { keep(text: String!): String }
`)

const rootValue = {
  item: ({ id }: { id: string }) => ({ id }),
  keep: ({ text }: { text: string }) => text,
}

export const ITEM = 'query Item($id: ID!) { item(id: $id) { id } }'
export const KEEP = 'mutation Keep($text: String!) { keep(text: $text) }'

/** What the answer to {@link ITEM} holds. */
export interface ItemData {
  item: { id: string }
}

/** A GraphQL server at `/graphql`, behind the guard: without a good token it is a 401. */
export function serveGraphql(server: AuthServer): void {
  server.api('/graphql', async ({ request, query, body }) => {
    // urql asks by GET where it can.
    const asked = request.method === 'GET' ? Object.fromEntries(query) : JSON.parse(body.toString())
    const variables = typeof asked.variables === 'string' ? JSON.parse(asked.variables) : asked.variables
    const { query: source, operationName } = asked
    const result = await graphql({ schema, rootValue, source, variableValues: variables, operationName })
    return { headers: { 'content-type': 'application/graphql-response+json' }, body: JSON.stringify(result) }
  })
}
