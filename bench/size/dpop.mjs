export { createDpop, storedKey } from '../../dist/production/oauth.js'
