/** The part of `npm run soak` that asks the model. What it prints is kept in soak/model.txt. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { ensureSpin, root } from '../scripts/setup.mjs'
import { checkAll } from './check.mjs'
import { longRuns, runs } from './runs.mjs'

/** @returns {Promise<boolean>} whether all is as it should be */
export async function soakModel() {
  if (!(await ensureSpin())) return false
  const lines = [`date  ${new Date().toISOString().slice(0, 10)}`, '']
  const passed = checkAll(
    [...runs, ...longRuns],
    (line) => {
      console.log(line)
      lines.push(line)
    },
    true,
  )
  mkdirSync(`${root}soak`, { recursive: true })
  writeFileSync(`${root}soak/model.txt`, `${lines.join('\n')}\n`)
  console.log('\nKept in soak/model.txt')
  return passed
}
