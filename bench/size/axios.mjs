export { createSession } from '../../dist/index.js'
export { attachSession } from '../../dist/transports/axios.js'
