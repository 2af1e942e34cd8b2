import axios from 'axios'
import { viaAxios } from '../tokens.mjs'

export const name = 'axios alone'
export const packages = ['axios']

export function open({ url, tokens }) {
  const headers = { authorization: `Bearer ${tokens.access_token}` }
  return viaAxios(axios.create({ baseURL: url, headers }))
}
