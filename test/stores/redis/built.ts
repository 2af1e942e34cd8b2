/** Processes of the tests run what is built: it must be there, and new. */
export default async function ensureBuild(): Promise<void> {
  const { ensureBuilt } = (await import(new URL('../../../scripts/setup.mjs', import.meta.url).href)) as {
    ensureBuilt(): void
  }
  ensureBuilt()
}
