export { cellStore } from '../../dist/production/cell.js'
export { createSession } from '../../dist/production/index.js'
