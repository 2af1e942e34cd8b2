export { stepUp } from '../../dist/production/oauth.js'
