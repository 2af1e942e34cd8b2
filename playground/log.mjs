/**
 * What the servers saw of one lane. Every number that the playground shows is counted here, and none of them
 * by the clients that are compared.
 */
export function createLog() {
  const listeners = new Set()
  let calls = 0
  let signedIn = false
  let end
  /** Calls that were announced, by number; the client may never send them. */
  let asked
  let requests
  let refreshes
  let effects
  let from
  clear()

  /** Forgets what was, but not how the sign-in ended: that still holds. */
  function clear() {
    asked = new Map()
    requests = []
    refreshes = []
    effects = new Map()
    from = Date.now()
    tell()
  }

  function tell() {
    for (const listener of listeners) listener()
  }

  /** An exchange that begins now; call the result with its status when it ends. */
  function begin(list, about) {
    const entry = { ...about, at: Date.now(), status: undefined, end: undefined }
    list.push(entry)
    tell()
    return (status) => {
      entry.status = status
      entry.end = Date.now()
      tell()
    }
  }

  return {
    clear,

    /** Announces a run of so many calls. Returns the number of the first; each goes into its own URL. */
    run(size) {
      const first = calls + 1
      calls += size
      for (let call = first; call <= calls; call++) asked.set(call, { ended: false })
      tell()
      return first
    },

    /** The client has settled these calls, or given up on them. What has no answer now has failed. */
    runEnded(first, size) {
      for (let call = first; call < first + size; call++) {
        const entry = asked.get(call)
        if (entry) entry.ended = true
      }
      tell()
    },

    request: (call) => begin(requests, { call }),
    refresh: () => begin(refreshes, {}),

    /** A side effect, as it takes place. */
    effect(id) {
      effects.set(id, (effects.get(id) ?? 0) + 1)
      tell()
    },

    signedIn() {
      signedIn = true
      end = undefined
      tell()
    },

    /** `reuse`: a refresh token came twice. `refused`: the grant is over. `sign-out`: the user asked for it. */
    signedOut(reason) {
      if (signedIn) end = reason
      signedIn = false
      tell()
    },

    numbers() {
      const answered = new Set()
      let last = from
      for (const { call, status, end } of requests) {
        // One that was aborted has no answer.
        if (status) last = Math.max(last, end)
        if (status >= 200 && status < 300) answered.add(call)
      }
      let failed = 0
      for (const [call, { ended }] of asked) if (ended && !answered.has(call)) failed++
      let twice = 0
      for (const count of effects.values()) if (count > 1) twice++
      return {
        asked: asked.size,
        answered: answered.size,
        failed,
        refreshes: refreshes.length,
        unavailable: refreshes.filter(({ status }) => status >= 500).length,
        wire: requests.length,
        twice,
        signedIn,
        signedOut: end ?? null,
        took: last - from,
      }
    },

    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
