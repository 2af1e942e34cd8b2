import { createSession, type Session } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'

/** An endpoint of one's own: JSON goes there, and `{ access_token, refresh_token, expires_in }` comes back. */
const post = (url: string, body: object, signal?: AbortSignal): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: signal ?? null,
  })

export function openSession(home: string): Session {
  return createSession({
    store: browserStore({ name: 'my-app' }),
    // The response as it is, ok or not: the session knows what each means.
    refresh: ({ tokens, signal }) => post(`${home}/refresh`, { refresh_token: tokens?.refreshToken }, signal),
  })
}

export async function logIn(
  session: Session,
  home: string,
  form: { user: string; password: string },
): Promise<void> {
  const response = await post(`${home}/login`, form)
  if (!response.ok) throw new Error(`the login was refused: ${response.status}`)
  await session.signIn(await response.json())
}

export const logOut = (session: Session, home: string): Promise<void> =>
  session.signOut({ server: ({ tokens }) => post(`${home}/logout`, { refresh_token: tokens?.refreshToken }) })
