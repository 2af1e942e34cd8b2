import { createHash } from 'node:crypto'

/**
 * The names in the folder of a login. Each says that it is ours: what else is there is left alone.
 *
 * - `<number>.login.json` a state: 1, or a time and what comes after it
 * - `.login-<time>-<turn or chance>…` a temporary file; that of a turn stays while it lasts
 * - `<turn>.login.given` that file, once the turn was given back
 */

/** A temporary file of somebody who was killed between two steps, milliseconds after. It holds tokens. */
const FORGOTTEN = 60_000

/** A folder begins with 1; or with 2, where something else is there. */
export const FIRST = 2

/** The least that has a time. Where something else is in the first two, it goes on here. */
export const EARLIEST = 1e12

/** No clock of a computer shows so late a time. */
const LATEST = 1e13

/** A short name for what is long or secret. */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The code of a character, in so many hexadecimal digits. */
export const hexOf = (character: string, digits: number): string =>
  character.charCodeAt(0).toString(16).padStart(digits, '0')

export const nameOf = (number: number): string => `${number}.login.json`

export const givenName = (turn: string): string => `${turn}.login.given`

/**
 * Whether it is a number with a time, and has a next one: however far ahead somebody has put it, time goes faster than
 * numbers do.
 */
export function hasTime(number: number): boolean {
  return Number.isInteger(number) && number >= EARLIEST && number < LATEST + Date.now()
}

/** 0 for all but states. */
export function numberOf(name: string): number {
  const number = Number.parseInt(name, 10)
  const known = (number > 0 && number <= FIRST) || hasTime(number)
  return known && nameOf(number) === name ? number : 0
}

/** The greatest first. */
export function numbersIn(names: readonly string[]): number[] {
  return names
    .map(numberOf)
    .filter(Boolean)
    .sort((a, b) => b - a)
}

/** The temporary files that somebody wrote in this turn. */
export function namesOfTurn(turn: string, names: readonly string[]): string[] {
  return names.filter((name) => temporary(name)[2] === turn)
}

/**
 * Whether nobody needs what has this name any more.
 *
 * @param turn the present one
 * @param ended the session is over: no file may keep its tokens, not even that of the turn
 */
export function isLeftOver(name: string, turn: string | undefined, ended: boolean): boolean {
  const [, time, id, given] = temporary(name)
  if (given) return given !== turn
  return id !== undefined && (ended || (id !== turn && Math.abs(Date.now() - Number(time)) > FORGOTTEN))
}

function temporary(name: string): readonly (string | undefined)[] {
  return /^\.login-(\d+)-(\w+)|^(\w+)\.login\.given$/.exec(name) ?? []
}
