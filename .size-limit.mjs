/**
 * Minified and brotli, of what bundlers take: dist/production. As an ES module, because that is what bundlers make of
 * it: in the default format every import of axios would cost a `require` of our own.
 *
 * The limits are what there is, rounded up: they keep it from growing unnoticed.
 */
const asBundlersDo = (config) => ({ ...config, format: 'esm' })

export default [
  {
    name: 'createSession + attachSession (axios external)',
    path: 'bench/size/axios.mjs',
    ignore: ['axios'],
    limit: '16.00 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + withSession (fetch)',
    path: 'bench/size/fetch.mjs',
    limit: '15.53 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'axios-refresh-me: all of it (axios external)',
    path: 'bench/size/axios-refresh-me.mjs',
    ignore: ['axios'],
    limit: '16.60 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession',
    path: 'bench/size/core.mjs',
    limit: '12.99 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + browserStore',
    path: 'bench/size/browser.mjs',
    limit: '15.02 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + fileStore',
    path: 'bench/size/file.mjs',
    limit: '16.67 kB',
    modifyEsbuildConfig: (config) => ({ ...asBundlersDo(config), platform: 'node' }),
  },
]
