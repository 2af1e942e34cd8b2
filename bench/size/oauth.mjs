export { clientCredentialsGrant, refreshTokenGrant } from '../../dist/production/oauth.js'
