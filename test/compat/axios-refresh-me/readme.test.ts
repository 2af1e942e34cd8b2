import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import axios, { getAdapter } from 'axios'
import { createFactory } from 'refresh-once/axios-refresh-me'
import { afterEach, expect, test } from 'vitest'

const { adapter = 'http' } = axios.defaults

afterEach(() => {
  axios.defaults.adapter = adapter
})

/** The example in the README of axios-refresh-me, as it is installed. */
function readExample(): string {
  const readme = readFileSync('node_modules/axios-refresh-me/README.md', 'utf8')
  const [, code = ''] = /## Example\s+```ts\n(.*?)```/s.exec(readme) ?? []
  return code
}

test('the README example of axios-refresh-me runs as it is written, but for the import', async () => {
  const seen: string[] = []
  let renewed = false
  const server = createServer(({ method, url, headers }, response) => {
    seen.push(`${method} ${url} ${headers.authorization}`)
    response.writeHead(renewed ? 200 : 401, { 'content-type': 'application/json' }).end('{"rows":3}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = Object(server.address())
  axios.defaults.adapter = (config) => {
    expect(config.baseURL).toBe('https://api.example.com')
    return getAdapter('http')({ ...config, baseURL: `http://127.0.0.1:${port}`, proxy: false })
  }

  const importLine = "import AxiosInstanceFactory from 'axios-refresh-me';"
  const code = readExample()
  expect(code).toContain(importLine)
  // The example leaves open what `updateToken` is.
  const updates: unknown[] = []
  const updateToken = (token: unknown): void => {
    updates.push(token)
    renewed = true
  }
  const printed = await new Promise<unknown[]>((resolve) => {
    const console = {
      log: (...said: unknown[]) => resolve(said),
      error: (...said: unknown[]) => resolve(said),
    }
    const run = new Function('AxiosInstanceFactory', 'updateToken', 'console', code.replace(importLine, ''))
    run(createFactory(), updateToken, console)
  })
  server.closeAllConnections()
  server.close()

  expect(printed).toEqual(['Data:', { rows: 3 }])
  expect(updates).toEqual(['new-token'])
  expect(seen).toEqual(['GET /data Bearer current-token', 'GET /data Bearer current-token'])
})
