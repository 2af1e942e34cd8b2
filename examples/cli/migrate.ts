import { readFile } from 'node:fs/promises'
import { fileStore } from 'refresh-once/file'

/** The app has kept its tokens in `former` until now. */
export const fromFile = (path: string, former: string): ReturnType<typeof fileStore> =>
  fileStore({
    path,
    async migrate() {
      const text = await readFile(former, 'utf8').catch((error) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      return text && JSON.parse(text)
    },
  })
