export { fileStore } from '../../dist/production/file.js'
export { createSession } from '../../dist/production/index.js'
