import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export interface Packed {
  /** A folder with the program, and the package as its users have it. */
  folder: string
  /** The package.json that its users get, within the folder. */
  manifest: string
  /** What npm would publish. */
  tarball: string
  remove(): void
}

/**
 * Packs this package, and installs it beside the program that uses it; what else that needs is found in the
 * folders above. The folder has a package.json of its own: else the name `refresh-once` would lead to the
 * repository itself.
 */
export function installPacked(program = './program', within: string = file('../../.cache')): Packed {
  mkdirSync(within, { recursive: true })
  const folder = mkdtempSync(join(within, 'packed-'))
  const npm = (cwd: string, ...args: string[]): string =>
    execFileSync('npm', [...args, '--ignore-scripts', '--offline', '--no-audit', '--no-fund'], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const [{ filename }] = JSON.parse(npm(file('../..'), 'pack', '--json', '--pack-destination', folder))
  cpSync(file(program), folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "name": "program", "private": true, "type": "module" }\n')
  npm(folder, 'install', '--no-package-lock', '--legacy-peer-deps', `./${filename}`)
  return {
    folder,
    manifest: 'node_modules/refresh-once/package.json',
    tarball: join(folder, filename),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
