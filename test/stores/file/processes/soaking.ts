import { randomInt } from 'node:crypto'

/** `npm run soak -- file` runs the same tests for longer, and keeps what they print. */
export const soaking: boolean = process.env.SOAK_STORM !== undefined

export const seed: number = Number(process.env.SOAK_SEED ?? randomInt(2 ** 31))

/** `8x40x5` */
export function sizes(text: string | undefined): number[] {
  return text?.split('x').map(Number) ?? []
}
