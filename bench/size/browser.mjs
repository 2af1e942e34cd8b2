export { browserStore } from '../../dist/production/browser.js'
export { createSession } from '../../dist/production/index.js'
