import { type Aborter, leaveWith } from '../core/abortable.ts'

/** The caller's abort is ours, until that is undone. */
export function abortTogether(callers: AbortSignal | undefined, ours: Aborter): (() => void) | undefined {
  return leaveTogether(callers, (reason) => ours.abort(reason))
}

/** Of bodies that nobody can read any more. Runtimes without it listen for good. */
const unread = globalThis.FinalizationRegistry && new FinalizationRegistry<() => void>((undo) => undo())

/**
 * The caller's abort also ends the reading of a body, and nobody can tell when that is over without reading it himself:
 * it is listened to as long as there is the body.
 */
export function stayFor(body: unknown, undo: () => void): void {
  if (body && typeof body === 'object') unread?.register(body, undo)
  else undo()
}

/** Who waits with a signal. */
const crowds = new WeakMap<
  AbortSignal,
  { leaving: Set<(reason: unknown) => void>; undo?: (() => void) | undefined }
>()

/** As `leaveWith`, but with one listener for all: of the eleventh, Node warns. */
export function leaveTogether(
  signal: AbortSignal | undefined,
  leave: (reason: unknown) => void,
): (() => void) | undefined {
  if (!signal) return undefined
  if (signal.aborted) return leaveWith(signal, leave)
  let crowd = crowds.get(signal)
  if (!crowd) {
    const leaving = new Set<(reason: unknown) => void>()
    crowd = {
      leaving,
      undo: leaveWith(signal, (reason) => {
        for (const each of leaving) each(reason)
      }),
    }
    crowds.set(signal, crowd)
  }
  const { leaving, undo } = crowd
  leaving.add(leave)
  return () => {
    if (!leaving.delete(leave) || leaving.size) return
    undo?.()
    crowds.delete(signal)
  }
}
