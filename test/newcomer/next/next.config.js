/** The API is served under the origin of the page. */
const rewrites = async () =>
  ['/login', '/refresh', '/logout', '/expire', '/api/items'].map((source) => ({
    source,
    destination: `${process.env.API}${source}`,
  }))

export default { rewrites, cacheComponents: true }
