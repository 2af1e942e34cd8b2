import type { ApiHandler } from 'refresh-once/testing'

/** A guarded route that is answered by a handler of the platform's own `Request` and `Response`. */
export function answeredBy(handle: (request: Request) => Promise<Response>): ApiHandler {
  return async ({ request, body: sent }) => {
    const { method = 'GET', url = '/', headers } = request
    const {
      status,
      headers: told,
      body,
    } = await handle(
      new Request(`http://${headers.host}${url}`, {
        method,
        headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
        body: method === 'GET' ? null : new Uint8Array(sent),
      }),
    )
    return { status, headers: Object.fromEntries(told), body: body ?? undefined }
  }
}
