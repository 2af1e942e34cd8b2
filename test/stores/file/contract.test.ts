import { join } from 'node:path'
import { fileStore, fileStores } from 'refresh-once/file'
import { storeContract } from 'refresh-once/testing'
import { describe, test } from 'vitest'
import { newFolder } from './folder.ts'

describe('fileStore', () => {
  const folder = newFolder()
  for (const { name, run } of storeContract((place, lease) =>
    fileStore({ path: join(folder, place), lease }),
  ))
    test(name, run)
})

describe('fileStores', () => {
  const folder = newFolder()
  for (const { name, run } of storeContract((place, lease) => fileStores({ folder, lease })(place)))
    test(name, run)
})
