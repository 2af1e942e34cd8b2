import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { bundle } from '../bundle.ts'

/** Builds the script of the pages once for all files. */
export default async function provideScript(project: TestProject): Promise<void> {
  project.provide('tabsScript', await bundle(fileURLToPath(new URL('./page/entry.ts', import.meta.url))))
}
