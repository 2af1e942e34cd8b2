import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'
import { viaFetch } from '../tokens.mjs'

export const name = '@badgateway/oauth2-client'
export const packages = ['@badgateway/oauth2-client']

export function open({ url, tokenEndpoint, tokens, expiresAt }) {
  const client = new OAuth2Client({ server: url, clientId: 'app', tokenEndpoint })
  const wrapper = new OAuth2Fetch({
    client,
    // Only a person can sign in anew.
    getNewToken: () => null,
    getStoredToken: () => ({
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token,
      expiresAt,
    }),
    // Its timer would keep the process.
    scheduleRefresh: false,
  })
  return viaFetch((...request) => wrapper.fetch(...request), url)
}
