import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** An agent host: its workers are processes of their own, and share the login of whoever has started it. */
export async function runWorkers(count: number, calls: number): Promise<number> {
  const codes = await Promise.all(
    Array.from({ length: count }, () => {
      const worker = fork(fileURLToPath(new URL('cli.js', import.meta.url)), [
        'tool',
        'whoami',
        String(calls),
      ])
      return new Promise<number>((resolve) => worker.once('exit', (code) => resolve(code ?? 1)))
    }),
  )
  return codes.filter((code) => code === 0).length
}
