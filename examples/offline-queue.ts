import type { Session } from 'refresh-once'

/** What was kept while there was no network. */
interface Entry {
  request: Request
  metadata?: { signIn?: string | undefined } | undefined
}

/** As workbox-background-sync has it. */
interface Queue {
  pushRequest(entry: Entry): Promise<void>
  shiftRequest(): Promise<Entry | undefined>
  unshiftRequest(entry: Entry): Promise<void>
}

/** Keeps a request, with the name of the sign-in that it is of. */
export function keep(queue: Queue, session: Session, request: Request): Promise<void> {
  return queue.pushRequest({ request, metadata: { signIn: session.state.signIn } })
}

/** Sends what was kept. Throws where that has to be tried later: nothing is lost. */
export async function sendKept(queue: Queue, session: Session, authFetch: typeof fetch): Promise<void> {
  // Who is signed in now? Rejects where nobody is: then all of it stays.
  await session.getAccessToken()
  for (let entry = await queue.shiftRequest(); entry; entry = await queue.shiftRequest()) {
    // Of another user.
    if (entry.metadata?.signIn !== session.state.signIn) continue
    const request = new Request(entry.request.clone())
    // It is hours old, and the session does not replace what it does not know.
    request.headers.delete('authorization')
    try {
      const { status } = await authFetch(request)
      if (status === 401 || status >= 500) throw new Error(`answered with ${status}`)
    } catch (error) {
      await queue.unshiftRequest(entry)
      throw error
    }
  }
}
