import AxiosInstanceFactory from 'axios-refresh-me'

/** axios-refresh-me itself, as its README shows it. */
export const AXIOS_REFRESH_ME = {
  id: 'axios-refresh-me',
  title: 'axios-refresh-me',
  hint: 'version 0.0.28, as its README shows',
  install,
}

function install({ defaults: { baseURL } }, { refresh, made }) {
  let accessToken
  let client
  renew()

  /** It has one observer for all; after a refresh that failed, it lets nobody go on. */
  function renew() {
    AxiosInstanceFactory.observer = undefined
    AxiosInstanceFactory.use({
      refreshHandler: async () => {
        accessToken = await refresh()
      },
      statusCodes: [401],
      retryCount: 1,
    })
    client = AxiosInstanceFactory.getInstance({
      baseURL,
      proxy: false,
      interceptors: {
        request: {
          onFulfilled: (config) => {
            if (accessToken) config.headers.Authorization = `Bearer ${accessToken}`
            return config
          },
          onRejected: (error) => Promise.reject(error),
        },
        response: { onFulfilled: (response) => response, onRejected: (error) => Promise.reject(error) },
      },
    })
    made(client)
  }

  return {
    client: () => client,
    renew,
    signIn(tokens) {
      accessToken = tokens.access_token
      renew()
    },
    async signOut(server) {
      accessToken = undefined
      await server()
    },
  }
}
