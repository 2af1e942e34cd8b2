export type { TimelineEntry } from './clean.ts'
export { defineTimeline, type Observable, type TimelineElement } from './element.ts'
export { type FormatOptions, formatEvents } from './format.ts'
export { type MountOptions, mountTimeline, shareEvents } from './mount.ts'
export {
  createTimeline,
  type Lane,
  type Refresh,
  type Step,
  type Stretch,
  type Timeline,
  type TimelineOptions,
  type TokenWindow,
} from './timeline.ts'
