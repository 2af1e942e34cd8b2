import { join } from 'node:path'
import { fileStore, fileStores } from 'refresh-once/file'
import { storeContract } from 'refresh-once/testing'
import { describe, test } from 'vitest'
import { newFolder } from './folder.ts'

/** A folder is waited for a quarter of it: a disk that others keep busy may take its time. */
const BRIEF = { briefLease: 1_000 }

describe('fileStore', () => {
  const folder = newFolder()
  for (const { name, run } of storeContract(
    (place, lease) => fileStore({ path: join(folder, place), lease }),
    BRIEF,
  ))
    test(name, run)
})

describe('fileStores', () => {
  const folder = newFolder()
  for (const { name, run } of storeContract((place, lease) => fileStores({ folder, lease })(place), BRIEF))
    test(name, run)
})
