/** Loaded with `--import`: 'axios' means the oldest release that the peer range allows. */
import * as module from 'node:module'

if (module.registerHooks) {
  module.registerHooks({
    resolve: (specifier, context, next) => next(specifier === 'axios' ? 'axios-oldest' : specifier, context),
  })
} else {
  const hooks = `export const resolve = (specifier, context, next) =>
    next(specifier === 'axios' ? 'axios-oldest' : specifier, context)`
  module.register(`data:text/javascript,${encodeURIComponent(hooks)}`)
}
