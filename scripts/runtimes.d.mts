/** A JavaScript runtime that is installed under .cache/runtimes. */
export interface Runtime {
  name: string
  kind: 'node' | 'bun' | 'deno' | 'workerd'
  version: string
  program: string
}

export declare function installedRuntimes(): Runtime[]
