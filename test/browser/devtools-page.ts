/** What the pages of the timeline's tests load. */
import {
  createSession,
  type Session,
  type SessionEvent,
  type SessionOptions,
  type TokenInput,
} from 'refresh-once'
import { mountTimeline, type TimelineElement } from 'refresh-once/devtools'
import { withSession } from 'refresh-once/fetch'
import { hostileOf } from '../devtools/hostile.ts'
import { stormOf } from '../devtools/storm.ts'

declare global {
  interface Window {
    timeline: typeof timeline
  }
}

let session: Session

const element = (): TimelineElement => {
  const found = document.querySelector('refresh-once-timeline')
  if (!found) throw new Error('there is no timeline')
  return found
}

const timeline = {
  /** Mounts the timeline for a session that is signed in. */
  begin({
    tokenEndpoint,
    tokens,
    docked = false,
    name = 'here',
  }: {
    tokenEndpoint: string
    tokens: TokenInput
    docked?: boolean
    name?: string
  }): void {
    const refresh: SessionOptions['refresh'] = ({ tokens, signal }) =>
      fetch(tokenEndpoint, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
        signal,
      })
    session = createSession({ refresh, tokens })
    const parent = docked ? {} : { parent: document.querySelector('main') ?? document.body }
    mountTimeline(session, { name, ...parent })
  },
  get: async (url: string): Promise<number> =>
    (await withSession(session, { origins: [new URL(url).origin] })(url)).status,
  element,
  /** Shows `count` requests in the element, as a session would tell them. */
  storm(count: number): void {
    for (const event of stormOf(count)) element().tell('here', event)
  },
  hostile(token: string): void {
    for (const event of hostileOf(token)) element().tell(`tab ${token}`, event)
  },
  tell: (event: SessionEvent): void => element().tell('here', event),
  /** All that is in the page, with what is in the element's own tree, and attributes. */
  everything(): string {
    const { shadowRoot } = element()
    return document.documentElement.outerHTML + (shadowRoot?.innerHTML ?? '')
  },
}

window.timeline = timeline
