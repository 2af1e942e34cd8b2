export { createSession } from '../../dist/production/index.js'
export { mcpSession } from '../../dist/production/mcp.js'
