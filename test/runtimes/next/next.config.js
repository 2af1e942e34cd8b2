import { dirname } from 'node:path'

/** Where node_modules with next is: the folder above. */
export default {
  turbopack: { root: dirname(process.cwd()) },
  poweredByHeader: false,
  cacheComponents: true,
}
