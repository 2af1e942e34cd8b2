import { delay, listen, sendJson } from './listen.mjs'

/** How long a refresh takes, in milliseconds: usually, when it is slow, and when it hangs. */
const USUAL = 200
const SLOW = 3000
const HANGING = 120_000

/** How long a connection is kept busy. */
const BUSY = 4000

/**
 * One lane's own server, with an origin and a user of its own: the API, and the few routes that a page's
 * backend has for signing in. The refresh token never leaves it but as an HttpOnly cookie, unless the page is a public
 * client, and asks the authorization server by itself. What a refresh meets there is the same for both.
 *
 *     POST /auth/login     signs the user in; answers with an access token; `?public` with the code for a page that
 *                          exchanges it by itself, and without a cookie
 *     POST /auth/refresh   exchanges the refresh token for the next one, and answers with an access token
 *     POST /auth/logout    ends the sign-in
 *     GET  /busy           keeps a connection busy
 *
 * A lane has its own origin because a browser opens six connections to each: three lanes on one would wait
 * for each other.
 *
 * @param page origin of the page whose scripts may call this server; undefined for none
 */
export async function startBackend({ account, client, page, authorizationServer, api, log }) {
  /** `works`, `slow`, `fails-once`, `fails`, `refused`, `hangs` or `lost`, as somebody has set it. */
  let fault = 'works'
  let failed = false
  const server = await listen(handle)
  // Cookies do not tell ports apart, and another playground may run on this machine.
  const cookieName = `refresh_token_${new URL(server.origin).port}`

  async function handle(request, response) {
    const url = new URL(request.url, server.origin)
    const { origin } = request.headers
    if (origin !== undefined && origin !== page) {
      sendJson(response, 403, { error: 'foreign_origin' })
      return
    }
    if (origin) {
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-allow-credentials', 'true')
      response.setHeader('access-control-expose-headers', 'www-authenticate, dpop-nonce, date')
      response.setHeader('vary', 'origin')
    }
    if (request.method === 'OPTIONS') {
      response.writeHead(204, {
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': 'authorization, content-type, dpop',
        'access-control-max-age': '7200',
      })
      response.end()
    } else if (request.method === 'GET' && url.pathname === '/busy') {
      if (await delay(BUSY, response)) response.writeHead(204).end()
    } else if (url.pathname.startsWith('/api/')) await api.handle(request, response, url, log)
    else if (request.method === 'POST' && Object.hasOwn(routes, url.pathname))
      await routes[url.pathname](response, readCookie(request), url.searchParams.has('public'))
    else sendJson(response, 404, { error: 'not_found' })
  }

  const forget = [
    authorizationServer.onReuse((whose) => whose === account && log.signedOut('reuse')),
    authorizationServer.onRevocation((whose) => whose === account && log.signedOut('sign-out')),
    authorizationServer.guardRefreshes(account, async (response) => {
      count(response)
      if (!(await delay({ slow: SLOW, hangs: HANGING }[fault] ?? USUAL, response))) return false
      if (fault === 'fails' || (fault === 'fails-once' && !failed)) {
        failed = true
        sendJson(response, 503, { error: 'temporarily_unavailable' })
        return false
      }
      if (fault === 'lost' && !failed) {
        failed = true
        // The server rotates, and nobody hears of it.
        response.end = () => response.destroy()
      }
      if (fault === 'refused') await authorizationServer.endGrant(account)
      response.on('finish', () => response.statusCode === 400 && log.signedOut('refused'))
      return true
    }),
  ]

  function count(response) {
    const answered = log.refresh()
    response.on('close', () => answered(response.writableFinished ? response.statusCode : 0))
  }

  const routes = {
    async '/auth/login'(response, _refreshToken, isPublic) {
      if (isPublic) sendJson(response, 200, await authorizationServer.authorize(client, account))
      else sendTokens(response, await authorizationServer.signIn(client, account))
      log.signedIn()
    },

    async '/auth/refresh'(response, refreshToken) {
      if (!refreshToken) {
        count(response)
        sendJson(response, 401, { error: 'invalid_grant', error_description: 'nobody is signed in' })
        return
      }
      const { status, body } = await authorizationServer.refresh(client, refreshToken)
      if (status === 200) sendTokens(response, body)
      else sendJson(response, status, body, status < 500 ? { 'set-cookie': cookie('', 0) } : {})
    },

    async '/auth/logout'(response, refreshToken) {
      if (refreshToken) await authorizationServer.revoke(client, refreshToken)
      log.signedOut('sign-out')
      response.writeHead(204, { 'set-cookie': cookie('', 0) })
      response.end()
    },
  }

  function sendTokens(response, { access_token, token_type, expires_in, refresh_token }) {
    const headers = { 'set-cookie': cookie(refresh_token, 86_400) }
    sendJson(response, 200, { access_token, token_type, expires_in }, headers)
  }

  function cookie(value, seconds) {
    return `${cookieName}=${value}; HttpOnly; SameSite=Strict; Path=/auth; Max-Age=${seconds}`
  }

  function readCookie({ headers }) {
    const pairs = (headers.cookie ?? '').split('; ').map((pair) => pair.split('='))
    return pairs.find(([name]) => name === cookieName)?.[1]
  }

  return {
    account,
    origin: server.origin,
    log,
    setFault(next) {
      fault = next
      failed = false
    },
    async close() {
      for (const end of forget) end()
      await server.close()
    },
  }
}
