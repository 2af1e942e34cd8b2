/**
 * Tool calls of a Model Context Protocol client at an expiry that nobody has foreseen: its SDK alone, and with a session;
 * ten calls of one process, and of each of four that share a login. The server rotates refresh tokens and gives no grace.
 * In the sign-in that is measured first; whoever is signed out by then gets no answer.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { startCrew } from '../test/mcp/processes/crew.mjs'

const EXPIRIES = 3
const CALLS = 10
const WAYS = { sdk: 'the SDK alone', ours: 'with mcpSession' }

// The server of the tests, which Node 20 cannot read as it is.
const folder = fileURLToPath(new URL('../.cache/bench/', import.meta.url))
const source = readFileSync(new URL('../test/mcp/world.ts', import.meta.url), 'utf8')
const { outputText } = ts.transpileModule(source, { compilerOptions: { module: 99, target: 99 } })
mkdirSync(folder, { recursive: true })
writeFileSync(`${folder}world.mjs`, outputText)
const { startWorld } = await import(`${folder}world.mjs`)
rmSync(folder, { recursive: true })

console.log(
  `${EXPIRIES} expiries, ${CALLS} calls of each process; @modelcontextprotocol/sdk, Node ${process.version}\n`,
)
for (const processes of [1, 4]) {
  for (const way of ['sdk', 'ours']) {
    const { answered, refreshes, reuses } = await measure(way, processes)
    const calls = EXPIRIES * CALLS * processes
    const figures = `${answered} of ${calls} answered, ${refreshes} refreshes, ${reuses} reuses`
    console.log(`${processes === 1 ? 'one process ' : 'four processes'}  ${WAYS[way].padEnd(16)} ${figures}`)
    if (way === 'ours' && (answered !== calls || refreshes !== EXPIRIES || reuses)) {
      console.log('  expected: all answered, one refresh for each expiry, no reuse')
      process.exitCode = 1
    }
  }
}

async function measure(way, processes) {
  const world = await startWorld()
  const crew = await startCrew(world, way, processes)
  let answered = 0
  try {
    await crew.signIn()
    for (let round = 0; round < EXPIRIES; round++) {
      world.expire()
      answered += (await crew.storm(CALLS, round)).filter((answer) => answer === 'answered').length
    }
  } finally {
    await crew.end()
    await world.close()
  }
  return { answered, ...world.count }
}
