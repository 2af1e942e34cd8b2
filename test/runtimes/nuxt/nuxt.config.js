import { createRequire } from 'node:module'
import { join } from 'node:path'

const { resolve } = createRequire(import.meta.url)

export default {
  compatibilityDate: '2026-11-01',
  telemetry: false,
  devtools: { enabled: false },
  // What Nitro copies of packages for the server lacks these files, which axios loads in the end.
  nitro: {
    externals: {
      traceInclude: ['async-function', 'generator-function', 'async-generator-function'].map(asked),
    },
  },
}

/** The file that `require` takes. */
function asked(name) {
  return join(resolve(name), '..', 'require.mjs')
}
