import { createSession, type Session } from 'refresh-once'

/** Cookies for both tokens, HttpOnly, and a CSRF token that the login and each refresh replace: they answer `{ csrf }`. */
export function openSession(url: string): Session {
  return createSession({
    mode: 'cookie',
    // No form of another site can send this header, and so nobody else spends the cookie.
    refresh: ({ signal }) =>
      fetch(`${url}/refresh`, { method: 'POST', headers: { 'X-App': '1' }, credentials: 'include', signal }),
    // Called for each send: a replay carries the token that its refresh has brought.
    applyToken: ({ csrf }) => ({ headers: { 'X-CSRF-Token': String(csrf) } }),
  })
}

export async function logIn(session: Session, url: string, form: BodyInit): Promise<void> {
  const response = await fetch(`${url}/login`, { method: 'POST', body: form, credentials: 'include' })
  if (!response.ok) throw new Error(`the login was refused: ${response.status}`)
  await session.signIn(await response.json())
}
