export { createAuthRefresh } from '../../dist/production/axios-auth-refresh.js'
