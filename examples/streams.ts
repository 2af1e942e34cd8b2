import { createReadStream } from 'node:fs'
import type { AxiosInstance } from 'axios'

/** Uploads a file as a stream, and can do so again after a 401. */
export function upload(api: AxiosInstance, path: string): Promise<unknown> {
  return api.post('/api/echo', createReadStream(path), {
    headers: { 'content-type': 'application/octet-stream' },
    // A stream is gone once it was sent. This makes it anew, each time.
    session: { body: () => createReadStream(path) },
  })
}
