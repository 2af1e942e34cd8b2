import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as oauth from 'oauth4webapi'
import { clientId, grant, issuer, session } from './session.ts'

const client: oauth.Client = { client_id: clientId }
const scope = 'openid offline_access'
/** Plain http is for an authorization server on this machine: under development, or under test. */
const options = { [oauth.allowInsecureRequests]: new URL(issuer).hostname === '127.0.0.1' }

/** Where there is a browser: it comes back to a port of this machine (RFC 8252 §7.3, RFC 7636). */
export async function loginInBrowser(): Promise<void> {
  const server = await grant.server()
  const http = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => http.once('listening', resolve))
  try {
    const redirectUri = `http://127.0.0.1:${(http.address() as AddressInfo).port}/callback`
    const [state, verifier] = [oauth.generateRandomState(), oauth.generateRandomCodeVerifier()]
    const url = new URL(String(server.authorization_endpoint))
    url.search = new URLSearchParams({
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope,
      prompt: 'consent',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString()
    console.log(`Open ${url}`)

    const callback = await new Promise<URL>((resolve) => {
      http.on('request', (request: IncomingMessage, response) => {
        const called = new URL(String(request.url), redirectUri)
        // Browsers ask for an icon, and anybody on this machine may come by.
        const ours = called.pathname === '/callback' && called.searchParams.get('state') === state
        response.writeHead(ours ? 200 : 404, { connection: 'close', 'content-type': 'text/plain' })
        response.end(ours ? 'You can close this window.' : '')
        if (ours) resolve(called)
      })
    })
    const parameters = oauth.validateAuthResponse(server, client, callback, state)
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      oauth.None(),
      parameters,
      redirectUri,
      verifier,
      options,
    )
    await session.signIn(await oauth.processAuthorizationCodeResponse(server, client, response))
  } finally {
    http.close()
  }
}

/** Where there is none, over ssh for example: the user opens a page on another device (RFC 8628). */
export async function loginOnOtherDevice(): Promise<void> {
  const server = await grant.server()
  const response = await oauth.deviceAuthorizationRequest(
    server,
    client,
    oauth.None(),
    new URLSearchParams({ scope }),
    options,
  )
  const device = await oauth.processDeviceAuthorizationResponse(server, client, response)
  console.log(`Open ${device.verification_uri_complete ?? device.verification_uri}`)
  console.log(`Code ${device.user_code}`)
  for (let interval = device.interval ?? 5; ; ) {
    await sleep(interval * 1000)
    const asked = await oauth.deviceCodeGrantRequest(
      server,
      client,
      oauth.None(),
      device.device_code,
      options,
    )
    try {
      await session.signIn(await oauth.processDeviceCodeResponse(server, client, asked))
      return
    } catch (error) {
      const code = error instanceof oauth.ResponseBodyError ? error.error : undefined
      if (code === 'slow_down') interval += 5
      else if (code !== 'authorization_pending') throw error
    }
  }
}
