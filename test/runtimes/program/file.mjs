/** The contract of stores, for a folder in the working directory. Comes to its end by itself: nothing is left open. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileStore } from 'refresh-once/file'
import { storeContract } from 'refresh-once/testing'

const folder = mkdtempSync(join(process.cwd(), 'logins-'))
const failures = []
const checks = storeContract((place, lease) => fileStore({ path: join(folder, place), lease }), {
  // A folder is waited for a quarter of it: a disk that others keep busy may take its time.
  briefLease: 1_000,
})
for (const { name, run } of checks) {
  try {
    await run()
  } catch (error) {
    failures.push(`${name}: ${error?.message}`)
  }
}
// One that nobody closes, and that listens.
const store = fileStore({ path: join(folder, 'open') })
store.watch(() => {})
await store.load()
if (process.platform !== 'win32') rmSync(folder, { recursive: true, force: true })
console.log(JSON.stringify({ checks: checks.length, failures }))
