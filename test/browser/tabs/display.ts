import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

export interface Display {
  /** For the environment variable DISPLAY. */
  readonly name: string
  close(): Promise<void>
}

/** A display of our own that nobody sees; the X server itself chooses a number that is free. */
export async function openDisplay(): Promise<Display> {
  const args = ['-displayfd', '3', '-screen', '0', '1024x768x24', '-nolisten', 'tcp']
  const server = spawn('Xvfb', args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  const gone = once(server, 'exit')
  const told = once(server.stdio[3] as Readable, 'data')
  const [number] = await Promise.race([told, gone.then(() => [undefined])])
  if (number === undefined) throw new Error('Xvfb did not start')
  return {
    name: `:${String(number).trim()}`,
    async close() {
      server.kill()
      await gone
    },
  }
}
