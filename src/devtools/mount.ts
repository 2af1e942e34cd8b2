import type { SessionEvent } from '../core/events.ts'
import { defineTimeline, type Observable, type TimelineElement } from './element.ts'
import type { TimelineOptions } from './timeline.ts'

/** Options of {@link mountTimeline}; `refreshAhead` and `leeway` as those of the session, where they are not the default. */
export interface MountOptions extends TimelineOptions {
  /** Names this tab where several are shown. @default a name made at random, `tab k3f9` */
  name?: string | undefined
  /** Where the element goes. @default the end of the page, docked to its corner */
  parent?: Element | undefined
  /** Whether tabs of this origin show each other's events. @default true */
  tabs?: boolean | undefined
}

/** Tabs of an origin tell each other what happens. No token is in it: events have none. */
const CHANNEL = 'refresh-once timeline'

/**
 * Shows what a session does: a lane per request, the refresh, the life of the token, and the reasons in words. For
 * development: the line below leaves nothing of it in what is built for production.
 *
 * Without a page, as in a server that renders one, it does nothing.
 *
 * @returns the function that takes it away
 *
 * @example
 * if (process.env.NODE_ENV !== 'production') import('refresh-once/devtools').then((it) => it.mountTimeline(session))
 */
export function mountTimeline(
  session: Observable,
  {
    name = `tab ${Math.random().toString(36).slice(2, 6)}`,
    parent,
    tabs = true,
    ...options
  }: MountOptions = {},
): () => void {
  if (typeof document === 'undefined' || typeof customElements === 'undefined') return () => {}
  defineTimeline()
  const element: TimelineElement = document.createElement('refresh-once-timeline')
  element.configure(options)
  if (!parent) element.toggleAttribute('docked', true)
  ;(parent ?? document.body ?? document.documentElement).append(element)
  const silence = element.observe(session, name)
  const leave = tabs ? shareEvents(session, name, (source, event) => element.tell(source, event)) : () => {}
  return () => {
    leave()
    silence()
    element.remove()
  }
}

/** Tells other tabs of the origin what a session does; `hear` gets what theirs do. Returns the function that ends it. */
export function shareEvents(
  session: Observable | undefined,
  name: string,
  hear?: (source: string, event: unknown) => void,
): () => void {
  if (typeof BroadcastChannel === 'undefined') return () => {}
  const channel = new BroadcastChannel(CHANNEL)
  channel.onmessage = ({ data }) => {
    const { source, event } = Object(data) as Record<string, unknown>
    if (typeof source === 'string') hear?.(source, event)
  }
  const silence = session?.observe((event: SessionEvent) => channel.postMessage({ source: name, event }))
  return () => {
    silence?.()
    channel.close()
  }
}
