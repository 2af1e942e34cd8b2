export { createSession } from '../../dist/index.js'
export { browserStore } from '../../dist/stores/browser.js'
