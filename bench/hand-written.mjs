/**
 * What refresh-once replaces: the pair of interceptors that most articles show. One request
 * interceptor sets the header; the response interceptor refreshes once and queues the other 401s.
 */
export function attachByHand(instance, tokens, refresh) {
  let isRefreshing = false
  let queue = []

  instance.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${tokens.accessToken}`
    return config
  })

  instance.interceptors.response.use(
    (response) => response,
    async (error) => {
      const original = error.config
      if (error.response?.status !== 401 || original._retry) throw error
      original._retry = true
      if (isRefreshing) {
        await new Promise((resolve, reject) => queue.push({ resolve, reject }))
        return instance(original)
      }
      isRefreshing = true
      try {
        Object.assign(tokens, await refresh(tokens))
        for (const { resolve } of queue) resolve()
      } catch (refreshError) {
        for (const { reject } of queue) reject(refreshError)
        throw refreshError
      } finally {
        queue = []
        isRefreshing = false
      }
      return instance(original)
    },
  )
}
