export { redeemCode } from '../../dist/production/oauth.js'
