/** The test of an app in three environments: Node, jsdom as Jest has it, and jsdom with Node's own fetch. */
const common = {
  transform: {
    '\\.js$': ['babel-jest', { presets: [['@babel/preset-env', { targets: { node: 'current' } }]] }],
  },
  // `refresh-once` has ES modules only, and a page is given those of axios.
  transformIgnorePatterns: ['/node_modules/(?!refresh-once/)'],
}

module.exports = {
  projects: [
    { ...common, displayName: 'node', testEnvironment: 'node' },
    { ...common, displayName: 'jsdom', testEnvironment: 'jest-environment-jsdom' },
    { ...common, displayName: 'fixed jsdom', testEnvironment: 'jest-fixed-jsdom' },
  ],
}
