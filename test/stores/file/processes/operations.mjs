/**
 * Counts what a process does to files, and hits it before a chosen step: `node --import` this file. An operation is a
 * call of `node:fs/promises`; a step is that, or a call on an open file, so that a file may be found empty or unflushed.
 */
import files from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'

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
    if (refusal) throw failure(refusal, name)
    const result = await call(...args)
    if (process.env.SHARE && name === 'link' && Math.random() < 0.5) throw failure('EEXIST', name)
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
function failure(code, name) {
  return Object.assign(new Error(`${code}: refused, ${name}`), { code })
}

const { WITHOUT_LINKS, WITHOUT_PROC, WINDOWS, SHARE } = process.env

// No file has two names here, as on FAT.
if (WITHOUT_LINKS) globalThis.refuse = (name) => (name === 'link' ? 'EPERM' : undefined)

// A scanner has a file open for a moment: it can neither be removed nor renamed; `rm` tries again. A folder cannot be opened.
if (WINDOWS)
  globalThis.refuse = (name, [path, flags]) => {
    if (['unlink', 'rename'].includes(name) && Math.random() < 0.5) return 'EPERM'
    if (name === 'open' && flags === 'r' && files.statSync(path).isDirectory()) return 'EISDIR'
  }

// The system tells nobody which process is which.
if (WITHOUT_PROC || WINDOWS)
  for (const name of ['readFileSync', 'readlinkSync']) {
    const call = files[name]
    files[name] = (path, ...rest) => {
      if (String(path).startsWith('/proc')) throw failure('ENOENT', name)
      return call(path, ...rest)
    }
  }

// Each process is on a machine of its own, and hears of nobody. The answer to a link gets lost: when it is asked for once
// more the file is there already.
if (SHARE) {
  os.hostname = () => `machine ${process.pid}`
  files.watch = () => {
    throw failure('ENOSYS', 'watch')
  }
}
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
