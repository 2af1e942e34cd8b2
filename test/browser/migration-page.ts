/** The programs of the guide, with a lock of their own and without it. */
import { createFetch as after } from '../../examples/migration/locks-after.ts'
import { createFetch as before } from '../../examples/migration/locks-before.ts'

const query = new URLSearchParams(location.search)
const url = query.get('api') ?? ''
const guarded = { before, after }[query.get('which') as 'before' | 'after'](url)

export const request = (): Promise<number> => guarded(`${url}/api/items`).then(({ status }) => status)
