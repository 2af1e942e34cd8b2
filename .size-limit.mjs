/**
 * Minified and brotli. As an ES module, because that is what bundlers make of it: in the default format
 * every import of axios would cost a `require` of our own.
 */
const asBundlersDo = (config) => ({ ...config, format: 'esm' })

export default [
  {
    name: 'createSession + attachSession (axios external)',
    path: 'bench/size/axios.mjs',
    ignore: ['axios'],
    limit: '6.5 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession',
    path: 'bench/size/core.mjs',
    limit: '6 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
]
