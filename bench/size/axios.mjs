export { attachSession } from '../../dist/production/axios.js'
export { createSession } from '../../dist/production/index.js'
