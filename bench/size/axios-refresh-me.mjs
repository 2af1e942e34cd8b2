export { createFactory, default } from '../../dist/production/axios-refresh-me.js'
