import { AsyncEntry } from '@napi-rs/keyring'
import { fileStore } from 'refresh-once/file'

const entry = (key: string): AsyncEntry => new AsyncEntry('my-cli', key)

/** The tokens are in the keychain of the system; the files hold their names. */
export const inKeychain = (path: string): ReturnType<typeof fileStore> =>
  fileStore({
    path,
    secrets: {
      getItem: (key) => entry(key).getPassword(),
      setItem: (key, value) => entry(key).setPassword(value),
      removeItem: (key) => entry(key).deletePassword(),
    },
  })
