export { createSession } from '../../dist/production/index.js'
export { stepUp } from '../../dist/production/oauth.js'
