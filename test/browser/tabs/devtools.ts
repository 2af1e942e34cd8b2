import type { CDPSession } from 'playwright-core'

/** One tab, as the developer tools see it. */
export interface Target {
  send(method: string, params?: object): Promise<unknown>
  /** Resolves when the event comes the next time. */
  next(event: string): Promise<void>
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/**
 * Talks to a tab by way of the browser. Playwright's own pages count as visible and focused for ever: they are not
 * frozen, and none goes into the back/forward cache.
 */
export async function attach(browser: CDPSession, targetId: string): Promise<Target> {
  const { sessionId } = await browser.send('Target.attachToTarget', { targetId })
  const answers = new Map<number, (message: Message) => void>()
  const events = new Map<string, (() => void)[]>()
  let calls = 0
  browser.on('Target.receivedMessageFromTarget', (received) => {
    if (received.sessionId !== sessionId) return
    const message = JSON.parse(received.message) as Message
    if (message.id !== undefined) {
      answers.get(message.id)?.(message)
      answers.delete(message.id)
    }
    const waiting = events.get(message.method ?? '') ?? []
    for (const resolve of waiting.splice(0)) resolve()
  })
  return {
    async send(method, params = {}) {
      const id = ++calls
      const answer = new Promise<Message>((resolve) => answers.set(id, resolve))
      await browser.send('Target.sendMessageToTarget', {
        sessionId,
        message: JSON.stringify({ id, method, params }),
      })
      const { result, error } = await answer
      if (error) throw new Error(`${method}: ${error.message}`)
      return result
    },
    next: (event) =>
      new Promise((resolve) => {
        events.set(event, [...(events.get(event) ?? []), resolve])
      }),
  }
}
