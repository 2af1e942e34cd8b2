import { randomUUID } from 'node:crypto'
import { link, readFile, unlink, writeFile } from 'node:fs/promises'

/** Where a text may be kept for all processes. */
interface Kept {
  get(): Promise<string | null | undefined>
  /** Keeps it where there is none yet; the first one stays. */
  add(text: string): Promise<unknown>
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' }

/**
 * One key pair for all processes that share a session, for `createDpop`: tokens are bound to it. Whoever comes first makes
 * it. It has to be kept as it is, unlike in a browser; once it is read nobody can get it out of a process again.
 */
function sharedKey({ get, add }: Kept): () => Promise<CryptoKeyPair> {
  return async () => {
    if (!(await get())) {
      const made = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
      await add(JSON.stringify(await crypto.subtle.exportKey('jwk', made.privateKey)))
    }
    // Also for who has made one: another may have come first.
    const { d, key_ops, ext, ...open } = JSON.parse(String(await get()))
    return {
      privateKey: await crypto.subtle.importKey('jwk', { ...open, d }, ALGORITHM, false, ['sign']),
      publicKey: await crypto.subtle.importKey('jwk', open, ALGORITHM, true, ['verify']),
    }
  }
}

/** For processes of one machine, beside the login of `fileStore`. */
export function keyInFile(path: string): () => Promise<CryptoKeyPair> {
  return sharedKey({
    get: () =>
      readFile(path, 'utf8').catch((error) => (error.code === 'ENOENT' ? undefined : Promise.reject(error))),
    async add(text) {
      const temporary = `${path}.${randomUUID()}`
      await writeFile(temporary, text, { mode: 0o600, flag: 'wx' })
      try {
        // The whole file or none, and never over another one.
        await link(temporary, path)
      } catch (error) {
        if (Object(error).code !== 'EEXIST') throw error
      } finally {
        await unlink(temporary)
      }
    },
  })
}

/** What is taken of a client of `redis`. */
interface Client {
  get(name: string): Promise<string | null>
  set(name: string, text: string, options: { NX: true }): Promise<unknown>
}

/** For machines that share a Redis. Give it no time to live, and delete it only when all have signed out. */
export function keyInRedis(client: Client, name: string): () => Promise<CryptoKeyPair> {
  return sharedKey({ get: () => client.get(name), add: (text) => client.set(name, text, { NX: true }) })
}
