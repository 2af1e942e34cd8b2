export { audience, shareStore } from '../../dist/production/oauth.js'
