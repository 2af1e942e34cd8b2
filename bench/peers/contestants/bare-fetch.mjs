import { viaFetch } from '../tokens.mjs'

export const name = 'fetch alone'
export const packages = []

export function open({ url, tokens }) {
  const dressed = (target, init) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', `Bearer ${tokens.access_token}`)
    return fetch(target, { ...init, headers })
  }
  return viaFetch(dressed, url)
}
