export { createSession } from '../../dist/index.js'
