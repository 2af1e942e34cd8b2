/** A cell of a table of the documents, which the test that carries it proves: see scripts/tables.mjs. */
export interface Cell {
  /** Its name there, as in `<!-- table: clients -->`. */
  table: string
  row: string
  column: string
  /**
   * What the cell says when the test passes; else it says `no`.
   * @default 'yes'
   */
  text?: string
}

declare module '@vitest/runner' {
  interface TaskMeta {
    cells?: Cell[]
  }
}

/**
 * Options of a test that proves cells.
 *
 * @example
 * test('one refresh for twenty', proves({ table: 'clients', row: 'ky', column: 'storm' }), async () => { … })
 */
export function proves(...cells: Cell[]): { meta: { cells: Cell[] } } {
  return { meta: { cells } }
}
