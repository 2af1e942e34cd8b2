import axios from 'axios'
import { attachByHand } from '../../hand-written.mjs'
import { exchange, viaAxios } from '../tokens.mjs'

export const name = "the tutorials' queue"
export const packages = ['axios']

export function open({ url, tokenEndpoint, tokens }) {
  const instance = axios.create({ baseURL: url })
  const mine = { accessToken: tokens.access_token, refreshToken: tokens.refresh_token }
  attachByHand(instance, mine, async ({ refreshToken }) => {
    const fresh = await exchange(tokenEndpoint, refreshToken)
    return { accessToken: fresh.access_token, refreshToken: fresh.refresh_token }
  })
  return viaAxios(instance)
}
