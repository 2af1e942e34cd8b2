import { describe, expect, test } from 'vitest'
import { times } from '../setup.ts'
import { seenOf, shareChromium } from './chromium.ts'

const browser = shareChromium()

describe.each(['xhr', 'fetch'] as const)('axios in Chromium (%s adapter)', { timeout: 30_000 }, (adapter) => {
  test('a storm of 20 requests with an expired token leads to one refresh, and to 20 answers', async () => {
    const { server, page } = await browser.visit({ client: { adapter } })
    server.expireAccessTokens()
    const answers = await page.evaluate(() =>
      Promise.all(
        Array.from({ length: 20 }, (_, id) => window.api.get('/api/items', { params: { id } })),
      ).then((responses) => responses.map(({ data }) => data)),
    )
    expect(answers).toEqual(times(20, (id) => ({ id: `${id}`, user: 'alice', generation: 2 })))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    const renewed = server.requests.filter(({ generation }) => generation === 2).map(({ id }) => id)
    expect(renewed.map(Number).sort((a, b) => a - b)).toEqual(times(20, (id) => id))
    expect(server.count.api).toBeLessThanOrEqual(40)
  })

  test('the XSRF header comes from the cookie, the same on the replay', async () => {
    const { server, page, received } = await browser.visit({ client: { adapter } })
    server.expireAccessTokens()
    await page.evaluate(async () => {
      // biome-ignore lint/suspicious/noDocumentCookie: axios reads it
      document.cookie = 'XSRF-TOKEN=standard'
      // biome-ignore lint/suspicious/noDocumentCookie: axios reads it
      document.cookie = 'own-cookie=own'
      await window.api.post('/api/echo', { some: 'thing' })
    })
    server.expireAccessTokens()
    await page.evaluate(async () => {
      await window.api.post('/api/echo', null, { xsrfCookieName: 'own-cookie', xsrfHeaderName: 'x-own' })
    })
    expect(received.map(({ headers }) => headers['x-xsrf-token'] ?? headers['x-own'])).toEqual([
      'standard',
      'standard',
      'own',
      'own',
    ])
    expect(server.count.refreshes).toBe(2)
  })

  test.each(['string', 'json', 'form', 'blob', 'buffer', 'view'] as const)(
    'a body of the kind %s: the replay equals the first send and the bare one, byte for byte',
    async (kind) => {
      const { server, page, received, tokens } = await browser.visit({ client: { adapter } })
      const authorization = `Bearer ${tokens.access_token}`
      const send = (headers: Record<string, string>, client: 'api' | 'bare') =>
        page.evaluate(
          async ([kind, headers, client]) => {
            // axios itself would send the whole buffer around a view.
            const config = kind === 'view' ? { transformRequest: [(data: unknown) => data] } : {}
            await window[client].post('/api/echo', window.kit.bodies[kind](), { ...config, headers })
          },
          [kind, headers, client] as const,
        )
      await send({ authorization }, 'bare')
      server.expireAccessTokens()
      await send({}, 'api')

      const [bare, first, replay, ...more] = received.map(seenOf)
      expect(first).toEqual(bare)
      expect(replay).toEqual(bare)
      expect(more).toEqual([])
      expect(bare?.body).not.toBe('')
      expect(server.count.refreshes).toBe(1)
    },
  )

  test('FormData: the replay has a new boundary, in its header and in its body, and the same parts', async () => {
    const { server, page, received } = await browser.visit({ client: { adapter } })
    server.expireAccessTokens()
    await page.evaluate(() => window.api.post('/api/echo', window.kit.bodies.multipart()).then(() => {}))
    expect(received).toHaveLength(2)
    const [first, replay] = received.map(({ headers, body }) => {
      const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1] ?? ''
      const text = body.toString('latin1')
      expect(text.startsWith(`--${boundary}\r\n`)).toBe(true)
      expect(text.endsWith(`--${boundary}--\r\n`)).toBe(true)
      expect(Number(headers['content-length'])).toBe(body.length)
      return { boundary, parts: text.replaceAll(boundary, 'BOUNDARY') }
    })
    expect(first?.boundary).not.toBe(replay?.boundary)
    expect(replay?.parts).toBe(first?.parts)
    expect(first?.parts).toContain('filename="file.bin"')
    expect(server.count.refreshes).toBe(1)
  })

  test('progress callbacks are called for the replay as for the first send', async () => {
    const { server, page } = await browser.visit({ client: { adapter } })
    server.expireAccessTokens()
    const progress = await page.evaluate(async (adapter) => {
      const uploads: { generation: number; loaded: number }[] = []
      const downloads: typeof uploads = []
      const tell = (list: typeof uploads, loaded: number) =>
        list.push({ generation: window.session.state.generation, loaded })
      const { data } = await window.api.post('/api/echo', new Blob([new Uint8Array(2 ** 18)]), {
        onDownloadProgress: ({ loaded }) => tell(downloads, loaded),
        // Chromium streams uploads by fetch over HTTP/2 only, and axios needs that for their progress.
        ...(adapter === 'xhr' && { onUploadProgress: ({ loaded }) => tell(uploads, loaded) }),
      })
      return { uploads, downloads, length: data.bodyLength }
    }, adapter)
    expect(progress.length).toBe(2 ** 18)
    for (const generation of adapter === 'xhr' ? [1, 2] : []) {
      expect(progress.uploads).toContainEqual({ generation, loaded: 2 ** 18 })
    }
    const last = progress.downloads.at(-1)
    expect(last?.generation).toBe(2)
    expect(last?.loaded).toBeGreaterThan(2 ** 18)
    expect(server.count.refreshes).toBe(1)
  })

  test('the caller aborts while its request waits for the refresh: it is cancelled, and not replayed', async () => {
    const { server, page } = await browser.visit({ client: { adapter } })
    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    await page.evaluate(() => {
      const controller = new AbortController()
      const outcome = window.api.get('/api/items?id=cancelled', { signal: controller.signal }).then(
        () => 'answered',
        (error) => error.code,
      )
      Object.assign(window, { controller, outcome })
    })
    await refreshes.untilArrived()
    const outcome = await page.evaluate(() => {
      const { controller, outcome } = window as unknown as {
        controller: AbortController
        outcome: Promise<string>
      }
      controller.abort()
      return outcome
    })
    expect(outcome).toBe('ERR_CANCELED')
    refreshes.release()
    const next = await page.evaluate(() => window.api.get('/api/items?id=next').then(({ data }) => data))
    expect(next).toMatchObject({ id: 'next', generation: 2 })
    expect(server.requests.filter(({ id }) => id === 'cancelled')).toHaveLength(1)
    expect(server.count.refreshes).toBe(1)
  })

  test('the timeout of a held request covers the hold: it is never sent', async () => {
    const { server, page } = await browser.visit({ client: { adapter } })
    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    await page.evaluate(() => void window.api.get('/api/items?id=first').catch(() => {}))
    await refreshes.untilArrived()
    const error = await page.evaluate(() =>
      window.api.get('/api/items?id=impatient', { timeout: 50 }).then(
        () => undefined,
        ({ code, message }) => ({ code, message }),
      ),
    )
    expect(error).toEqual({ code: 'ECONNABORTED', message: 'timeout of 50ms exceeded' })
    refreshes.release()
    await page.evaluate(() => window.api.get('/api/items?id=next').then(() => {}))
    expect(server.requests.filter(({ id }) => id === 'impatient')).toEqual([])
    expect(server.count.refreshes).toBe(1)
  })
})
