/** Node, Bun and Deno: what is given comes in by the environment, and the results go out on standard output. */
import process from 'node:process'
import { run } from './run.mjs'

const results = await run(JSON.parse(process.env.GIVEN))
process.stdout.write(JSON.stringify(results), () => process.exit(0))
