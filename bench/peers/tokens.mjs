/**
 * The same refresh for everybody, as an app would write it. Tokens are `{ access_token, refresh_token, expires_in }`,
 * as the server answers.
 */
export async function exchange(tokenEndpoint, refreshToken, { signal } = {}) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken })
  const response = await fetch(tokenEndpoint, { method: 'POST', body, signal })
  if (!response.ok)
    throw Object.assign(new Error(`the refresh was answered ${response.status}`), { response })
  return response.json()
}

/** What an axios response, or its error, is in the words of this benchmark. */
export const viaAxios = (instance) => ({
  async request(path, { method = 'GET', body, signal } = {}) {
    const { status, data } = await instance.request({ url: path, method, data: body, signal })
    return { status, data }
  },
})

/** The same for whatever is called as fetch is. */
export const viaFetch = (fetch, url) => ({
  async request(path, { method = 'GET', body, signal } = {}) {
    const json = typeof body === 'string' || body instanceof Uint8Array ? body : body && JSON.stringify(body)
    const headers = json === body ? {} : { 'content-type': 'application/json' }
    const response = await fetch(new URL(path, url).href, { method, body: json, headers, signal })
    if (!response.ok)
      throw Object.assign(new Error(`answered ${response.status}`), { status: response.status })
    return { status: response.status, data: await response.json() }
  },
})
