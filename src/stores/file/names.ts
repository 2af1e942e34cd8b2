/**
 * The names in the folder of a login.
 *
 * - `<number>.login.json` a state: 1, or a time and what comes after it
 * - `.<time>-<turn or chance>…` a temporary file; that of a turn stays while it lasts
 * - `<turn>.given` that file, once the turn was given back
 */

/** A temporary file of somebody who was killed between two steps, milliseconds after. It holds tokens. */
const FORGOTTEN = 60_000

export const nameOf = (number: number): string => `${number}.login.json`

export const givenName = (turn: string): string => `${turn}.given`

/** 0 for all but states. Numbers that are close to the last one of 15 digits are none of ours: each must have a next one. */
export function numberOf(name: string): number {
  return /^(1|2|[1-9]\d{12,13}|[1-8]\d{14})\.login\.json$/.test(name) ? Number.parseInt(name, 10) : 0
}

/** The greatest first. */
export function numbersIn(names: readonly string[]): number[] {
  return names
    .map(numberOf)
    .filter(Boolean)
    .sort((a, b) => b - a)
}

/** Whether a turn was given back. */
export function isGiven(turn: string | undefined, names: readonly string[]): boolean {
  return turn !== undefined && names.includes(givenName(turn))
}

/** The temporary files that somebody wrote in this turn. */
export function namesOfTurn(turn: string, names: readonly string[]): string[] {
  return names.filter((name) => temporary(name)?.[2] === turn)
}

/**
 * Whether nobody needs what has this name any more.
 *
 * @param turn the present one
 * @param ended the session is over: not even the file of the turn may keep its tokens
 * @param former the one before
 */
export function isLeftOver(
  name: string,
  turn: string | undefined,
  ended: boolean,
  former: string | undefined,
): boolean {
  const given = /^(\w+)\.given$/.exec(name)
  if (given) return given[1] !== turn
  const [, time, id] = temporary(name) ?? []
  if (!id) return false
  if (id === turn) return ended
  return id === former || Math.abs(Date.now() - Number(time)) > FORGOTTEN
}

function temporary(name: string): RegExpExecArray | null {
  return /^\.(\d+)-(\w+)/.exec(name)
}
