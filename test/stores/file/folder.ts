import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A folder of its own for a file of tests. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-file-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
