/**
 * Minified and brotli, of what bundlers take: dist/production. As an ES module, because that is what bundlers make of
 * it: in the default format every import of axios would cost a `require` of our own.
 *
 * The limits are what there is, rounded up: they keep it from growing unnoticed.
 */
const asBundlersDo = (config) => ({ ...config, format: 'esm' })

/**
 * What comes along with any session is not weighed again, nor is the client that does the protocol. Of what is not used
 * nothing is left, not even an import: both packages say so of themselves.
 */
const apart = {
  name: 'apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^(?:oauth4webapi|\.\/shared\/.+)$/ }, ({ path }) => ({
      path,
      external: true,
      sideEffects: false,
    })),
}
const besidesTheSession = (config) => ({
  ...asBundlersDo(config),
  plugins: [...(config.plugins ?? []), apart],
})

export default [
  {
    name: 'createSession + attachSession (axios external)',
    path: 'bench/size/axios.mjs',
    ignore: ['axios'],
    limit: '20.81 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + withSession (fetch)',
    path: 'bench/size/fetch.mjs',
    limit: '20.30 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'axios-refresh-me: all of it (axios external)',
    path: 'bench/size/axios-refresh-me.mjs',
    ignore: ['axios'],
    limit: '21.42 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'axios-auth-refresh: all of it (axios external)',
    path: 'bench/size/axios-auth-refresh.mjs',
    ignore: ['axios'],
    limit: '22.62 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession',
    path: 'bench/size/core.mjs',
    limit: '17.39 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + browserStore',
    path: 'bench/size/browser.mjs',
    limit: '19.59 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + withSession + mcpSession',
    path: 'bench/size/mcp.mjs',
    limit: '21.87 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + cellStore',
    path: 'bench/size/cell.mjs',
    limit: '19.56 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'createSession + fileStore',
    path: 'bench/size/file.mjs',
    limit: '22.01 kB',
    modifyEsbuildConfig: (config) => ({ ...asBundlersDo(config), platform: 'node' }),
  },
  {
    name: 'refreshTokenGrant + clientCredentialsGrant (session and oauth4webapi external)',
    path: 'bench/size/oauth.mjs',
    limit: '1.5 kB',
    modifyEsbuildConfig: besidesTheSession,
  },
  {
    name: 'createDpop + storedKey (session and oauth4webapi external)',
    path: 'bench/size/dpop.mjs',
    limit: '0.88 kB',
    modifyEsbuildConfig: besidesTheSession,
  },
  {
    name: 'audience + shareStore (session and oauth4webapi external)',
    path: 'bench/size/audience.mjs',
    limit: '0.54 kB',
    modifyEsbuildConfig: besidesTheSession,
  },
  {
    name: 'createSession + stepUp',
    path: 'bench/size/step-up.mjs',
    limit: '17.72 kB',
    modifyEsbuildConfig: asBundlersDo,
  },
  {
    name: 'redeemCode (session and oauth4webapi external)',
    path: 'bench/size/redeem.mjs',
    limit: '389 B',
    modifyEsbuildConfig: besidesTheSession,
  },
  {
    name: 'slack + entra (session external)',
    path: 'bench/size/presets.mjs',
    limit: '0.41 kB',
    modifyEsbuildConfig: besidesTheSession,
  },
  {
    name: 'mountTimeline + formatEvents (session external)',
    path: 'bench/size/devtools.mjs',
    limit: '11.34 kB',
    modifyEsbuildConfig: besidesTheSession,
  },
]
