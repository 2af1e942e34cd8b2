import { browserStore } from 'refresh-once/browser'
import type { SessionStore, Stored } from '../../../../src/core/store.ts'
import { storeContract } from '../../../../src/testing/store-contract.ts'

const checks = storeContract((place, lease) => browserStore({ name: place, lease }))
const onDisk = storeContract((place, lease) => browserStore({ name: place, lease, persist: 'disk' }))

export interface HandOvers {
  /** The token endpoint. */
  endpoint: string
  persist: 'memory' | 'disk'
  count: number
  /** Milliseconds out of each fifty that the page is busy with something else. */
  busy: number
}

let store: SessionStore

/** What the test asks of a store without a session. */
export const storeActions = {
  /** Runs one check of the contract. */
  check: (index: number, persist: 'memory' | 'disk'): Promise<void> | undefined =>
    (persist === 'disk' ? onDisk : checks)[index]?.run(),

  openStore(persist: 'memory' | 'disk', lease = 60_000): void {
    store = browserStore({ name: `bare, ${persist}`, persist, lease })
  },
  load: (): Promise<Stored | undefined> => store.load(),
  save: (next: Stored): Promise<Stored> => store.save(next),

  /**
   * Takes turn after turn, each of which spends the refresh token that it finds. Resolves with the generations that
   * it found.
   */
  async handOver({ endpoint, count, busy }: HandOvers): Promise<number[]> {
    const load = busy > 0 ? setInterval(() => keepBusy(busy), 50) : undefined
    const found: number[] = []
    for (let turn = 0; turn < count; turn++) {
      await store.exclusive(async (lease) => {
        const stored = await store.load()
        if (!stored?.tokens?.refreshToken) throw new Error('the record holds no tokens')
        found.push(stored.version.generation)
        const generation = await lease.begin()
        const body = new URLSearchParams({ grant_type: 'refresh_token' })
        body.set('refresh_token', stored.tokens.refreshToken)
        const { access_token, refresh_token } = await (await fetch(endpoint, { method: 'POST', body })).json()
        await store.save({
          version: { ...stored.version, generation },
          tokens: { accessToken: access_token, refreshToken: refresh_token },
        })
      })
    }
    clearInterval(load)
    return found
  },
}

function keepBusy(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
