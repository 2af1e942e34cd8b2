import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'
import type { Runtime } from '../../scripts/runtimes.mjs'
import type { Given, Outcome, Results } from './outcome.ts'

/**
 * Runs the program as a Worker. A Worker names the date to whose behaviour it wants to keep.
 *
 * @param compatibilityDate @default the date of this workerd
 */
export async function runInWorkerd(
  { program, version }: Runtime,
  folder: string,
  given: Results<Given>,
  compatibilityDate: string = version.replace(/^1\.(\d{4})(\d\d)(\d\d)\..*/, '$1-$2-$3'),
): Promise<Results<Outcome>> {
  const place = mkdtempSync(join(folder, 'worker-'))
  await bundle(folder, place)
  writeFileSync(join(place, 'config.capnp'), configuration(compatibilityDate))
  const child = spawn(program, ['serve', 'config.capnp', '--control-fd=3'], {
    cwd: place,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const ended = once(child, 'exit')
  try {
    const control = child.stdio[3]
    if (!control) throw new Error('workerd has no control pipe')
    const [line] = await Promise.race([once(control, 'data'), ended.then(() => ['{}'])])
    const { port } = JSON.parse(String(line))
    if (!port) throw new Error('workerd did not start')
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: JSON.stringify(given) })
    if (!response.ok) throw new Error(`workerd answered ${response.status}: ${await response.text()}`)
    return await response.json()
  } finally {
    child.kill()
    await ended
  }
}

/** One module, by the conditions that wrangler asks packages for. */
async function bundle(folder: string, place: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'silent',
    root: folder,
    resolve: { conditions: ['workerd', 'worker', 'browser'], mainFields: ['browser', 'module', 'main'] },
    build: {
      outDir: place,
      emptyOutDir: false,
      minify: false,
      target: 'es2022',
      lib: { entry: join(folder, 'worker.mjs'), formats: ['es'], fileName: () => 'worker.js' },
    },
  })
}

function configuration(compatibilityDate: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "${compatibilityDate}",
);
`
}
