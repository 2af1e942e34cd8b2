/** `npm start`: gets ready, then runs the playground. */
import { ensureBuilt, ensurePackages } from './setup.mjs'

ensurePackages()
ensureBuilt()
await import('../playground/server.mjs')
