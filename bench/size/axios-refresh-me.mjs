export { createFactory, default } from '../../dist/compat/axios-refresh-me.js'
