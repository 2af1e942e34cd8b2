/** Browsers: the driver calls this. */
import { run } from './run.mjs'

globalThis.run = run
