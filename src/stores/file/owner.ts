/**
 * Who has the turn, and whether that process still lives. Only Linux says for certain whether a process is the one that
 * it was; elsewhere a number that was given out again counts as alive. Of other machines, containers (another namespace
 * of process ids) and boots nobody knows anything: there only time tells.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A process. */
export interface Owner {
  readonly pid: number
  /** When it was started, in ticks after boot; empty where the system does not say. */
  readonly start: string
  /** Where its number means something. */
  readonly place: string
}

const DEAD = 'dead'

/** Deno may not be allowed to look. */
function quietly(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

function startOf(pid: number): string {
  return quietly(() => {
    // The name, which is in brackets, may hold anything. Then: the state, and as the twentieth the start.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return /[ZX]/.test(fields[0] ?? '') ? DEAD : (fields[19] ?? '')
  })
}

/** This process. */
export function self(): Owner {
  const { pid } = process
  const place = [
    () => hostname(),
    () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    () => readlinkSync('/proc/self/ns/pid'),
  ]
  return { pid, start: startOf(pid), place: place.map(quietly).join(' ') }
}

/** Whether the process has certainly come to its end. */
export function isDead({ pid, start }: Owner): boolean {
  const now = start && startOf(pid)
  if (now) return now !== start
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return Object(error).code === 'ESRCH'
  }
}
