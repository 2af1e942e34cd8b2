export { createSession } from '../../dist/index.js'
export { withSession } from '../../dist/transports/fetch.js'
