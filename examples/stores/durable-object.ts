import { DurableObject } from 'cloudflare:workers'
import type { Cell } from 'refresh-once/cell'

/**
 * One object for each session, wherever in the world somebody asks for it. While it waits for its storage nothing else
 * of it runs; and nobody is answered before all is stored. So two steps are one.
 */
export class SessionCell extends DurableObject {
  read(): Promise<string | undefined> {
    return this.ctx.storage.get('state')
  }

  async replace(before: string | undefined, after: string): Promise<boolean> {
    if ((await this.ctx.storage.get('state')) !== before) return false
    await this.ctx.storage.put('state', after)
    return true
  }
}

/** A cell for each session. `namespace` is the binding of {@link SessionCell}. */
export function durableCells(namespace: DurableObjectNamespace<SessionCell>): (id: string) => Cell {
  return (id) => {
    // It refuses what would be one object for two ids: half a surrogate pair.
    const object = namespace.get(namespace.idFromName(encodeURIComponent(id)))
    return {
      read: () => object.read(),
      replace: (before, after) => object.replace(before, after),
    }
  }
}
