import { readdirSync, readFileSync } from 'node:fs'

/** The processes of this machine whose ancestor is `root`, and whose command line fits. */
export function descendants(root: number, fits: RegExp): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const parent = pid && parentOf(pid)
    if (parent) parents.set(pid, parent)
  }
  const descends = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || descends(parents.get(pid)))
  return [...parents.keys()].filter((pid) => descends(parents.get(pid)) && fits.test(commandOf(pid)))
}

function parentOf(pid: number): number | undefined {
  // The name of the program, in parentheses, may hold anything.
  return Number(read(pid, 'stat').split(') ').at(-1)?.split(' ')[1]) || undefined
}

function commandOf(pid: number): string {
  return read(pid, 'cmdline').replaceAll('\0', ' ')
}

/** Empty where the process has ended meanwhile. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
