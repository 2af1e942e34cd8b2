/** What people write by hand: two interceptors for axios. They run in Node, in the page, and in simulated time. */
export const INTERCEPTORS = [
  {
    id: 'every-401',
    title: 'Every 401 refreshes',
    hint: 'a response interceptor, ten lines',
    install: every401,
  },
  {
    id: 'queue',
    title: 'isRefreshing and a queue',
    hint: 'the usual interceptor, from countless articles',
    install: isRefreshingAndQueue,
  },
]

/** Each request that meets a 401 refreshes for itself, and tries once more. */
function every401(api, { refresh }) {
  let accessToken
  api.interceptors.request.use((config) => withToken(config, accessToken))
  api.interceptors.response.use(undefined, async (error) => {
    const { config, response } = error
    if (response?.status !== 401 || config._retry) throw error
    config._retry = true
    accessToken = await refresh()
    return api(config)
  })
  return {
    signIn(tokens) {
      accessToken = tokens.access_token
    },
    async signOut(server) {
      accessToken = undefined
      await server()
    },
  }
}

/** The first 401 refreshes; those that come meanwhile queue, and are sent again with its token. */
function isRefreshingAndQueue(api, { refresh }) {
  let accessToken
  let isRefreshing = false
  let failedQueue = []

  function processQueue(error, token) {
    for (const { resolve, reject } of failedQueue) {
      if (error) reject(error)
      else resolve(token)
    }
    failedQueue = []
  }

  api.interceptors.request.use((config) => withToken(config, accessToken))
  api.interceptors.response.use(undefined, async (error) => {
    const { config, response } = error
    if (response?.status !== 401 || config._retry) throw error
    if (isRefreshing) {
      await new Promise((resolve, reject) => failedQueue.push({ resolve, reject }))
      return api(config)
    }
    config._retry = true
    isRefreshing = true
    try {
      accessToken = await refresh()
      processQueue(null, accessToken)
    } catch (refreshError) {
      processQueue(refreshError, null)
      throw refreshError
    } finally {
      isRefreshing = false
    }
    return api(config)
  })
  return {
    signIn(tokens) {
      accessToken = tokens.access_token
    },
    async signOut(server) {
      accessToken = undefined
      await server()
    },
  }
}

function withToken(config, accessToken) {
  if (accessToken) config.headers.set('Authorization', `Bearer ${accessToken}`)
  return config
}
