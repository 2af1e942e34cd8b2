import { AsyncLocalStorage } from 'node:async_hooks'
import type * as Files from 'node:fs/promises'
import { memoryStore, type SessionStore } from 'refresh-once'
import { fileStore } from 'refresh-once/file'
import { vi } from 'vitest'
import { asyncStorage } from '../core/storage.ts'
import { newFolder } from './file/folder.ts'
import { hangTests, LEASE } from './hanging.ts'

const STORAGE = ['getItem', 'setItem', 'removeItem']

hangTests({
  name: 'memoryStore',
  places: STORAGE,
  shared: false,
  open(letHang, place) {
    const storage = letHang(asyncStorage())
    // Nothing is removed but what cannot be written over.
    if (place === 'removeItem') storage.setItem = () => Promise.reject(new Error('it is full'))
    return memoryStore({ storage, lease: LEASE })
  },
})

const folder = newFolder()
const secrets = asyncStorage()
hangTests({
  name: 'fileStore with secrets elsewhere',
  places: STORAGE,
  shared: true,
  open: (letHang) => fileStore({ path: folder, secrets: letHang(secrets), lease: LEASE }),
})

/** What one store has in the place of the file system, while the other has the real one. */
const { files } = vi.hoisted(() => ({ files: { of: undefined as AsyncLocalStorage<object> | undefined } }))
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof Files>()
  const operations = Object.entries(real).map(([name, operation]) => [
    name,
    typeof operation === 'function'
      ? (...all: unknown[]) => Reflect.get(files.of?.getStore() ?? real, name)(...all)
      : operation,
  ])
  return Object.fromEntries(operations)
})
files.of = new AsyncLocalStorage()
const real = await vi.importActual<typeof Files>('node:fs/promises')

const path = newFolder()
hangTests({
  name: 'fileStore',
  places: ['readdir', 'open', 'link', 'unlink', 'rename'],
  tidies: ['unlink', 'rename'],
  shared: true,
  open(letHang) {
    const given = letHang({ ...real })
    const inside =
      <All extends unknown[], Result>(call: (...all: All) => Result) =>
      (...all: All): Result =>
        files.of ? files.of.run(given, call, ...all) : call(...all)
    const store = fileStore({ path, lease: LEASE })
    return {
      load: inside(store.load),
      save: inside(store.save),
      exclusive: inside(store.exclusive) as SessionStore['exclusive'],
      watch: inside(store.watch),
      close: inside(store.close),
    }
  },
})
