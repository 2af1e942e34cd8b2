/** Jest runs CommonJS: what is published as ES modules is translated, as the app's own code is. */
export default {
  transform: {
    '\\.js$': ['babel-jest', { presets: [['@babel/preset-env', { targets: { node: 'current' } }]] }],
  },
  transformIgnorePatterns: ['/node_modules/(?!refresh-once/)'],
}
