export { entra, slack } from '../../dist/production/oauth.js'
