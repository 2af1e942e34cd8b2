/** A real redis-server of the tests' own: on a free port of the loopback interface, in a folder that goes away with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer {
  readonly port: number
  readonly url: string
  /** Stops it for good, or until `start`. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again, on the same port and with what it has written to disk. */
  start(): Promise<void>
  signal(signal: NodeJS.Signals): void
  close(): Promise<void>
}

export interface RedisServerOptions {
  /** As on the command line: `['--appendonly', 'yes']`. */
  args?: string[]
  /** A cluster node has a second port, 10000 above. */
  cluster?: boolean
}

const PORTS_TRIED = 20

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { args = [], cluster = false } = options
  const program = process.env.REDIS_SERVER_PATH ?? 'redis-server'
  const folder = mkdtempSync(join(tmpdir(), 'refresh-once-redis-'))
  let child: ChildProcess | undefined
  let port = 0

  async function launch(): Promise<void> {
    const command = [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--daemonize', 'no'],
      ...(cluster ? ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'] : []),
      ...args,
    ]
    const started = spawn(program, command, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    await new Promise<void>((resolve, reject) => {
      const read = (text: Buffer): void => {
        output += text
        if (/Ready to accept connections/.test(output)) resolve()
      }
      started.stdout.on('data', read)
      started.stderr.on('data', read)
      started.once('error', reject)
      started.once('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${output}`)))
    })
    child = started
  }

  for (let tries = 1; !child; tries++) {
    port = await freePort(cluster)
    try {
      await launch()
    } catch (error) {
      // Somebody else was faster to take the port.
      if (tries === PORTS_TRIED || !/in use|bind/i.test(String(error))) throw error
    }
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = child
    child = undefined
    if (!running || running.exitCode !== null || running.signalCode) return
    const gone = once(running, 'exit')
    running.kill(signal)
    // One that is stopped would never hear of anything else.
    if (signal !== 'SIGKILL') running.kill('SIGCONT')
    await gone
  }

  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    start: launch,
    signal(signal) {
      child?.kill(signal)
    },
    async close() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A port on which nobody listens, and 10000 above it neither where that is needed, too. */
async function freePort(andBus: boolean): Promise<number> {
  for (let tries = 0; tries < PORTS_TRIED; tries++) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address ? address.port : 0
    server.close()
    await once(server, 'close')
    if (!andBus || port < 55_000) return port
  }
  throw new Error('no port is free')
}
