/** What the pages of the browser tests load: the product as a browser gets it, and a way to begin. */
import axios, { type AxiosInstance, type CreateAxiosDefaults } from 'axios'
import {
  type Credentials,
  createSession,
  findSessionError,
  type Session,
  type SessionEvent,
  type SessionOptions,
  type TokenSet,
} from 'refresh-once'
import { type AttachOptions, attachSession } from 'refresh-once/axios'
import { type FetchOptions, type SessionFetch, withSession } from 'refresh-once/fetch'

export interface Beginning {
  /** The URL of a token endpoint, or of a refresh route with cookies. */
  refreshAt: string
  session?: Partial<SessionOptions>
  client?: CreateAxiosDefaults
  attach?: AttachOptions
  fetch?: Omit<FetchOptions, 'fetch'>
  /** Where a named way of `kit.credentials` puts the token. @default the Authorization header */
  credentials?: keyof typeof kit.credentials
}

declare global {
  interface Window {
    kit: typeof kit
    /** In the care of the session. */
    api: AxiosInstance
    /** The same client without it. */
    bare: AxiosInstance
    /** A fetch in the care of the session. */
    authFetch: SessionFetch
    session: Session
    /** Tells the test what happens in the page. */
    tell(event: SessionEvent): Promise<void>
  }
}

const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index)

const kit = {
  axios,
  createSession,
  findSessionError,
  attachSession,
  withSession,

  /** Ways to put a token on a request; functions do not come into pages from outside. */
  credentials: {
    header: ({ accessToken }: TokenSet): Credentials => ({ headers: { 'x-access-token': accessToken } }),
    query: ({ accessToken }: TokenSet): Credentials => ({ query: { access_token: accessToken } }),
  },

  /** Bodies of every kind that can be sent again, made anew by each call. */
  bodies: {
    string: () => 'naïve, 2 €',
    json: () => ({ name: 'Zoë', list: [1, null] }),
    form: () =>
      new URLSearchParams([
        ['a', '1 & 2'],
        ['a', 'ü'],
      ]),
    blob: () => new Blob([BYTES], { type: 'image/x-none' }),
    buffer: () => BYTES.slice().buffer,
    view: () => new Uint8Array(BYTES.slice().buffer, 3, 17),
    multipart() {
      const form = new FormData()
      form.append('name', 'Zoë')
      form.append('file', new Blob([BYTES], { type: 'image/x-none' }), 'file.bin')
      return form
    },
  },

  /** Signs in, and puts an instance and a fetch into the session's care. */
  begin({ refreshAt, session: options, client, attach, ...more }: Beginning): void {
    const session = createSession({
      refresh: ({ tokens, signal }) => {
        if (options?.mode === 'cookie')
          return fetch(refreshAt, { method: 'POST', credentials: 'include', signal })
        const refreshToken = tokens?.refreshToken ?? ''
        const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken })
        return fetch(refreshAt, { method: 'POST', body, signal })
      },
      ...(more.credentials && { applyToken: kit.credentials[more.credentials] }),
      ...options,
    })
    session.observe((event) => void window.tell(event))
    const api = axios.create(client)
    attachSession(api, session, attach)
    const authFetch = withSession(session, more.fetch)
    Object.assign(window, { session, api, authFetch, bare: axios.create(client) })
  },
}

window.kit = kit
