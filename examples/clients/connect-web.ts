import { type Client, createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import { Items } from './items_pb.ts'

export function createApi(authFetch: typeof fetch, url: string): Client<typeof Items> {
  return createClient(Items, createConnectTransport({ baseUrl: url, fetch: authFetch }))
}
