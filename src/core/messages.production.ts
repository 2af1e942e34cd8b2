import type { say as readable } from './messages.ts'

/** Takes the place of messages.ts in the build for production: code and arguments are enough to look it up. */
export const say: typeof readable = (code, ...details) =>
  `refresh-once: ${[code, ...details].map(String).join(' ')}`
