import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Runs a program of this folder with a contestant, in a process of its own, and gets what it sends. */
export function inProcess(program, given, execArgv = []) {
  return new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(program, import.meta.url))
    const child = fork(path, given.map(String), { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    let result
    child.on('message', (message) => {
      result = message
    })
    child.on('exit', (code) => (result ? resolve(result) : reject(new Error(`${program} ${given}: ${code}`))))
  })
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
