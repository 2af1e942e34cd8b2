/** Promises of something becoming true, looked at whenever it may have changed: no polling, no timers. */
export interface Conditions {
  /** Resolves as soon as `holds()` is true, at once if it already is. */
  until(holds: () => boolean): Promise<void>
  /** Something changed: look again. */
  check(): void
  /** Nothing will change any more: whoever still waits gets `reason`. */
  close(reason: Error): void
}

export function createConditions(): Conditions {
  const waiting = new Set<() => void>()
  const abandoned = new Set<(reason: Error) => void>()
  let closed: Error | undefined

  return {
    until(holds) {
      const promise = new Promise<void>((resolve, reject) => {
        if (holds()) return resolve()
        if (closed) return reject(closed)
        const settle = (): void => {
          waiting.delete(look)
          abandoned.delete(abandon)
        }
        const look = (): void => {
          try {
            if (!holds()) return
            settle()
            resolve()
          } catch (error) {
            settle()
            reject(error)
          }
        }
        const abandon = (reason: Error): void => {
          settle()
          reject(reason)
        }
        waiting.add(look)
        abandoned.add(abandon)
      })
      // Whoever awaits it still sees the rejection; whoever does not must not crash the process at close().
      promise.catch(() => {})
      return promise
    },
    check() {
      for (const look of [...waiting]) look()
    },
    close(reason) {
      closed = reason
      for (const abandon of [...abandoned]) abandon(reason)
    },
  }
}
