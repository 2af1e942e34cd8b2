/**
 * What happens in a lane without a session, in the words of one: for the same picture.
 *
 * @param tell gets a source, and an event. Refreshes at the same time are told of different sources: a session has one.
 */
export function asEvents(id, tell) {
  let generation = 1
  const calls = new Map()
  const running = []

  const state = () => ({ status: 'signed-in', refreshing: running.some(Boolean), generation })

  function told(event, source = id) {
    tell(source, { ...event, state: state() })
  }

  return ({ type, at, call, method, path, status, ok, refresh }) => {
    const known = calls.get(call)
    const about = known && { id: call, method: known.method, url: known.url, attempt: known.sent }
    switch (type) {
      case 'called':
        calls.set(call, { method, url: `/api${path}/${call}`, sent: 0, generation })
        break
      case 'sent': {
        if (!known) break
        known.sent++
        known.generation = generation
        const request = { ...about, attempt: known.sent, generation }
        told({ type: known.sent > 1 ? 'request-replayed' : 'request-sent', at, request })
        break
      }
      case 'answered':
        if (known && status === 401)
          told({
            type: 'request-rejected',
            at,
            request: { ...about, generation: known.generation },
            status,
            challenge: '',
          })
        // Without an answer it was called back, or the network was away.
        else if (known && !status) told({ type: 'request-recalled', at, request: { ...about, generation } })
        break
      case 'settled':
        if (known) told({ type: 'request-settled', at, request: { ...about, generation }, ok, status })
        calls.delete(call)
        break
      case 'refresh-begun': {
        const free = running.indexOf(undefined)
        const place = free < 0 ? running.length : free
        running[place] = refresh
        told({ type: 'refresh-started', at, reason: 'rejected' }, sourceOf(place))
        break
      }
      case 'refresh-ended': {
        const place = running.indexOf(refresh)
        if (place < 0) break
        running[place] = undefined
        if (ok) generation++
        const failure = { type: 'refresh-failed', code: 'refresh_failed', message: 'the server refused' }
        told({ at, ...(ok ? { type: 'refresh-succeeded' } : failure) }, sourceOf(place))
      }
    }
  }

  function sourceOf(place) {
    return place === 0 ? id : `${id}, at the same time ${place + 1}`
  }
}
