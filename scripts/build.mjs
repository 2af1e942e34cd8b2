/** `npm run build`: builds dist anew. */
import { build, ensurePackages } from './setup.mjs'

ensurePackages()
if (!build()) process.exitCode = 1
