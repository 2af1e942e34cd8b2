const read = () => JSON.parse(localStorage.getItem('tokens') ?? 'null')

export function createFetch(url: string): typeof fetch {
  const refresh = () =>
    navigator.locks.request('refresh', async () => {
      const form = { grant_type: 'refresh_token', refresh_token: read()?.refresh_token ?? '' }
      const answer = await fetch(`${url}/token`, { method: 'POST', body: new URLSearchParams(form) })
      if (!answer.ok) throw new Error('signed out')
      localStorage.setItem('tokens', JSON.stringify(await answer.json()))
    })
  return async (input, init) => {
    const send = () => fetch(input, { ...init, headers: { Authorization: `Bearer ${read()?.access_token}` } })
    const answer = await send()
    if (answer.status !== 401) return answer
    await refresh()
    return send()
  }
}
