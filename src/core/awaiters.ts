/** Of a stack: clients are deeper than the ten frames that V8 takes down. */
const FRAMES = 99

/**
 * The names of all functions that await what is called now, in one text: also of those of ours that await code of the
 * app's own, which would wait for itself.
 *
 * The stack tells, also after an await, where the engine knows who awaits whom (V8: Chromium, Node, Deno).
 */
export function awaiters(): string {
  const limit = Reflect.get(Error, 'stackTraceLimit')
  Reflect.set(Error, 'stackTraceLimit', FRAMES)
  const { stack } = new Error()
  Reflect.set(Error, 'stackTraceLimit', limit)
  return String(stack)
}
