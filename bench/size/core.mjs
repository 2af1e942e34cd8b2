export { createSession } from '../../dist/production/index.js'
