export { withSession } from '../../dist/production/fetch.js'
export { createSession } from '../../dist/production/index.js'
