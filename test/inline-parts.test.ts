import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

// The scripts are plain JavaScript: they have no types of their own.
const script = (name: string): string => new URL(`../scripts/${name}`, import.meta.url).href
const { inlineParts } = (await import(script('inline-parts.mjs'))) as {
  inlineParts(compiler: typeof ts, root: string, entries: string[]): Map<string, string>
}
const { programOf } = (await import(script('internal-names.mjs'))) as {
  programOf(compiler: typeof ts, root: string, entries: string[]): ts.Program
}
const { entries } = (await import(script('production.mjs'))) as { entries(): Record<string, string> }

const root = fileURLToPath(new URL('../', import.meta.url))
const files = Object.values(entries())
const texts = inlineParts(ts, root, files)

test('what the build for production reads in place compiles as the source does', () => {
  const program = programOf(ts, root, files)
  const options = { ...program.getCompilerOptions(), noEmit: true, composite: false, incremental: false }
  const host = ts.createCompilerHost(options)
  const own = host.readFile.bind(host)
  const changed: ts.CompilerHost = {
    ...host,
    getSourceFile: (name, version) =>
      ts.createSourceFile(name, texts.get(name) ?? own(name) ?? '', version, true),
  }
  const compiled = ts.createProgram([...program.getRootFileNames()], options, changed)
  const problems = [...compiled.getSyntacticDiagnostics(), ...compiled.getSemanticDiagnostics()]
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([])
  expect(texts.size).toBeGreaterThan(20)
}, 120_000)

test('what the app has given is called as it was: not as a method of the options', () => {
  const methods = (text: string): string[] => text.match(/\bsettings\.\w+(?:\?\.)?\(/g) ?? []
  for (const [name, text] of texts)
    expect({ name, methods: methods(text) }).toEqual({ name, methods: methods(ts.sys.readFile(name) ?? '') })
}, 120_000)
