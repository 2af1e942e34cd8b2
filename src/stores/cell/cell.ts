/**
 * One text at one place, in anything that can replace it only where it is still what somebody has read: a row of a
 * database, a key with a script or a condition, an object that does one thing at a time.
 *
 * Both are read and written at the one place that counts, never at a replica.
 */
export interface Cell {
  /** The text that is there now, as it was written; nothing (undefined or null) where there is none. */
  read(): Promise<string | undefined | null>
  /**
   * In one step: writes `after` where the text is `before`, and resolves with whether it was. `before` is undefined
   * where there must be none yet.
   *
   * @param told whether those who watch are to hear of it. To tell them of more does no harm
   */
  replace(before: string | undefined, after: string, told: boolean): Promise<boolean>
  /**
   * Calls `changed` when somebody may have replaced the text: late, twice, or for nothing are all well. Once after what
   * it listens by was established, and each time that was established anew. Returns the function that ends it.
   */
  watch?: ((changed: () => void) => () => void) | undefined
}
