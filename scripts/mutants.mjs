/**
 * `npm run soak -- mutants`: which faults the tests of core and transports would notice. Each mutant is one small fault
 * in one place of the source (a condition that always holds, a call that is left out, a number that is one more), as
 * the compiler takes it; the tests run with it, on one processor each, until the first of them fails. What is done for
 * axios only is tried with the oldest version, too.
 *
 * Drawn from all that the syntax allows, by a seed. What nobody has noticed is printed, and is for a reader: a test that is
 * missing, code that nothing needs, or a change that nobody can see.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { SAME_FOR_EVERYBODY } from './same-mutants.mjs'
import { root, tool } from './setup.mjs'

const FOLDERS = ['src/core', 'src/transports']

/** Texts, and what takes their place in the build for production. */
const LEFT_ALONE = /(?:\.production|\/messages)\.ts$/

const { SyntaxKind } = ts

const OPERATORS = new Map([
  [SyntaxKind.LessThanToken, '<='],
  [SyntaxKind.LessThanEqualsToken, '<'],
  [SyntaxKind.GreaterThanToken, '>='],
  [SyntaxKind.GreaterThanEqualsToken, '>'],
  [SyntaxKind.EqualsEqualsEqualsToken, '!=='],
  [SyntaxKind.ExclamationEqualsEqualsToken, '==='],
  [SyntaxKind.AmpersandAmpersandToken, '||'],
  [SyntaxKind.BarBarToken, '&&'],
  [SyntaxKind.PlusToken, '-'],
  [SyntaxKind.MinusToken, '+'],
  [SyntaxKind.AsteriskToken, '/'],
  [SyntaxKind.SlashToken, '*'],
])

/** @typedef {{ file: string, start: number, end: number, line: number, was: string, becomes: string }} Mutant */

/** @returns {Mutant[]} all that can be made of a file, a path from the root */
function mutantsOf(file) {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  )
  const found = []
  const replace = (node, becomes) => {
    const [start, end] = [node.getStart(), node.getEnd()]
    const line = source.getLineAndCharacterOfPosition(start).line + 1
    found.push({ file, start, end, line, was: source.text.slice(start, end), becomes })
  }
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken
      if (OPERATORS.has(kind)) replace(node.operatorToken, OPERATORS.get(kind))
      if (kind === SyntaxKind.QuestionQuestionToken) replace(node, `(${node.left.getText()})`)
    }
    if (node.kind === SyntaxKind.TrueKeyword) replace(node, 'false')
    if (node.kind === SyntaxKind.FalseKeyword) replace(node, 'true')
    if (ts.isNumericLiteral(node)) replace(node, `(${node.getText()} + 1)`)
    if (ts.isPrefixUnaryExpression(node) && node.operator === SyntaxKind.ExclamationToken)
      replace(node, `Boolean(${node.operand.getText()})`)
    const condition = ts.isIfStatement(node)
      ? node.expression
      : ts.isConditionalExpression(node)
        ? node.condition
        : undefined
    if (condition) {
      replace(condition, 'true')
      replace(condition, 'false')
    }
    if (ts.isExpressionStatement(node) && !node.getText().startsWith('super(')) replace(node, ';')
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

/** Whether the compiler takes a mutant. It keeps what it knows of all other files. */
function compiler() {
  const { fileNames, options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  )
  const versions = new Map()
  const texts = new Map()
  const service = ts.createLanguageService({
    getCompilationSettings: () => ({ ...options, noUnusedLocals: false, noUnusedParameters: false }),
    getScriptFileNames: () => fileNames,
    getScriptVersion: (name) => String(versions.get(name) ?? 0),
    getScriptSnapshot: (name) => {
      const text = texts.get(name) ?? ts.sys.readFile(name)
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    readDirectory: ts.sys.readDirectory,
  })
  const set = (name, text) => {
    texts.set(name, text)
    versions.set(name, (versions.get(name) ?? 0) + 1)
  }
  return ({ file, start, end, becomes }) => {
    const name = join(root, file)
    const text = readFileSync(name, 'utf8')
    set(name, text.slice(0, start) + becomes + text.slice(end))
    const faults = [...service.getSyntacticDiagnostics(name), ...service.getSemanticDiagnostics(name)]
    set(name, text)
    return faults.length === 0
  }
}

/** Numbers from 0 to 1 that a seed decides (a linear congruential generator). */
function numbersOf(seed) {
  let state = Number(seed) >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** @returns {{ mutants: Mutant[], possible: number }} as many as are asked for, without repetition */
export function draw(seed, count) {
  const all = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map(
      (name) => `${folder}/${name.replaceAll('\\', '/')}`,
    ),
  )
    .filter((file) => file.endsWith('.ts') && !LEFT_ALONE.test(file))
    .sort()
    .flatMap(mutantsOf)
  const possible = all.length
  const random = numbersOf(seed)
  const mutants = []
  while (mutants.length < count && all.length > 0)
    mutants.push(...all.splice(Math.floor(random() * all.length), 1))
  return { mutants, possible }
}

/** Files of tests, with the milliseconds that each takes and how many mutants it has noticed. */
const files = new Map()

/** Milliseconds until a file of tests has begun. */
const START = 500

/** First what has noticed most for its time: it will again. */
function order() {
  const worth = ({ duration, noticed }) => (noticed + 0.2) / (duration + START)
  return [...files].sort(([, a], [, b]) => worth(b) - worth(a)).map(([file]) => file)
}

/** Runs the tests with a mutant, or without one. Resolves with what has noticed it, or undefined. */
function run(mutant, bound, axios = 'axios') {
  const child = spawn(process.execPath, tool('vitest', 'run', '--config', 'scripts/mutant.config.ts'), {
    cwd: root,
    env: { ...process.env, MUTANT: JSON.stringify({ mutant, axios, order: order() }), NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  return new Promise((resolve) => {
    let noticed = 'a run that ended by itself'
    const kill = () => {
      noticed = 'a run that took too long'
      child.kill('SIGKILL')
    }
    const timer = bound && setTimeout(kill, bound)
    child.on('message', (message) => {
      noticed = message.noticed
      if (!mutant) for (const [file, duration] of message.durations) files.set(file, { duration, noticed: 0 })
    })
    child.on('close', () => {
      clearTimeout(timer)
      const file = files.get(noticed)
      if (file) file.noticed++
      resolve(noticed)
    })
  })
}

/** What the source looks like around a mutant: it is found again where lines have moved. */
function isKnown({ file, start, was, becomes }) {
  const source = readFileSync(join(root, file), 'utf8')
  const line = source
    .slice(source.lastIndexOf('\n', start) + 1)
    .split('\n', 1)[0]
    .trim()
  return SAME_FOR_EVERYBODY.some(
    (same) =>
      same.file === file && line.startsWith(same.line) && same.was === was && same.becomes === becomes,
  )
}

/**
 * @param say what to do with each line of the report
 * @returns {Promise<boolean>} whether the tests hold without a mutant
 */
export async function tryMutants(seed, count, say) {
  const before = performance.now()
  const broken = await run(undefined)
  if (broken) {
    say(`The tests fail without a mutant: ${broken}`)
    return false
  }
  const bound = 3 * (performance.now() - before)

  const { mutants, possible } = draw(seed, count)
  const compiling = mutants.filter(compiler())
  const queue = compiling.filter((mutant) => !isKnown(mutant))
  say(`${mutants.length} of ${possible} were drawn. ${mutants.length - compiling.length} do not compile.`)
  say(`${compiling.length - queue.length} are the same for everybody (scripts/same-mutants.mjs).`)
  const fates = { noticed: [], slow: [], alive: [] }
  const work = async () => {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      let noticed = await run(mutant, bound)
      if (!noticed && /\/axios\b/.test(mutant.file)) noticed = await run(mutant, bound, 'axios-oldest')
      const fate = !noticed ? 'alive' : files.has(noticed) ? 'noticed' : 'slow'
      fates[fate].push(textOf(mutant))
      console.log(`${fate}: ${textOf(mutant)} ${noticed ?? ''}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  const { noticed, slow, alive } = fates
  const all = noticed.length + slow.length + alive.length
  say(`Of the other ${all}, ${noticed.length + slow.length} were noticed, ${alive.length} were not.`)
  for (const text of alive.sort()) say(`  ${text}`)
  if (slow.length > 0)
    say(`Noticed as nothing else than a run that did not end, or ended by itself: ${slow.length}`)
  for (const text of slow.sort()) say(`  ${text}`)
  return true
}

function textOf({ file, line, was, becomes }) {
  const short = (text) => text.replace(/\s+/g, ' ').slice(0, 70)
  return `${file}:${line}  ${short(was)} => ${short(becomes)}`
}
