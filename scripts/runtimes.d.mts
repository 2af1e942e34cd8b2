/** A JavaScript runtime that is installed under .cache/runtimes. */
export interface Runtime {
  name: string
  kind: 'node' | 'bun' | 'deno' | 'workerd'
  version: string
  program: string
}

export declare function installedRuntimes(): Runtime[]

/** The folder whose node_modules has Next.js. */
export declare function installedNext(): string | undefined

/** The folder whose node_modules has Jest. */
export declare function installedJest(): string | undefined

/** Frameworks that render on a server, each with the folder whose node_modules has it. */
export declare function installedSites(): { name: string; folder: string }[]

/** The folder whose node_modules has the oldest React. */
export declare function installedOldestReact(): string | undefined

/** `react@…`, `react-dom@…`. */
export declare const OLDEST_REACT: readonly string[]
