/**
 * Counts what a process does to files, and hits it before a chosen step: `node --import` this file. An operation is a
 * call of `node:fs/promises`; a step is that, or a call on an open file, so that a file may be found empty or unflushed.
 */
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const NAMES = ['readdir', 'readFile', 'open', 'link', 'rename', 'unlink', 'mkdir', 'rm', 'appendFile']

let operations = []
let steps = []
let fault

function step(name) {
  steps.push(name)
  if (fault && steps.length === fault.step) process.kill(process.pid, fault.signal)
}

for (const name of NAMES) {
  const call = fs[name]
  fs[name] = async (...args) => {
    operations.push(name)
    step(name)
    const refusal = globalThis.refuse?.(name, args)
    if (refusal) throw Object.assign(new Error(`${refusal}: refused, ${name}`), { code: refusal })
    const result = await call(...args)
    if (name !== 'open') return result
    return new Proxy(result, {
      get(file, member) {
        const value = file[member]
        if (typeof value !== 'function') return value
        return (...rest) => {
          step(`open.${member}`)
          return value.apply(file, rest)
        }
      },
    })
  }
}
// No file has two names here, as on FAT.
if (process.env.WITHOUT_LINKS) globalThis.refuse = (name) => (name === 'link' ? 'EPERM' : undefined)
syncBuiltinESMExports()

globalThis.operations = {
  /** Counts anew; with a fault, ends or stops the process before that step, counted from 1. */
  begin(next) {
    operations = []
    steps = []
    fault = next
  },
  take: () => ({ operations, steps }),
}
