/**
 * `npm run soak -- mutants`: which faults the tests of core and transports would notice. Each mutant is one small fault
 * in one place of the source (a condition that always holds, a call that is left out, a number that is one more), as
 * the compiler takes it; the tests run with it (`mutant-runner.mjs`), on one processor each, until the first of them fails.
 * What is done for axios only is tried with the oldest version, too.
 *
 * Drawn from all that the syntax allows, by a seed. What nobody has noticed is printed, and is for a reader: a test that is
 * missing, code that nothing needs, or a change that nobody can see.
 */
import { fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { SAME_FOR_EVERYBODY } from './same-mutants.mjs'
import { root } from './setup.mjs'

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
function draw(seed, count, files) {
  const all = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map(
      (name) => `${folder}/${name.replaceAll('\\', '/')}`,
    ),
  )
    .filter((file) => file.endsWith('.ts') && !LEFT_ALONE.test(file) && files.test(file))
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

/** A process that runs the tests with one version of axios, with one mutant at a time. */
class Runner {
  #axios
  #child

  constructor(axios) {
    this.#axios = axios
  }

  /** Runs the tests with a mutant, or without one. Resolves with what has noticed it, or undefined. */
  run(mutant, bound) {
    this.#child ??= fork(join(root, 'scripts/mutant-runner.mjs'), {
      cwd: root,
      env: { ...process.env, AXIOS: this.#axios, NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const child = this.#child
    return new Promise((resolve) => {
      const done = (noticed) => {
        clearTimeout(timer)
        child.off('message', told)
        child.off('close', ended)
        resolve(noticed)
      }
      const told = ({ noticed, durations }) => {
        if (!mutant) for (const [file, duration] of durations) files.set(file, { duration, noticed: 0 })
        const file = files.get(noticed)
        if (file) file.noticed++
        done(noticed)
      }
      const ended = () => {
        this.#child = undefined
        done('a run that ended by itself')
      }
      const timer =
        bound &&
        setTimeout(() => {
          this.end()
          done('a run that took too long')
        }, bound)
      child.on('message', told)
      child.on('close', ended)
      child.send({ mutant, order: order() })
    })
  }

  end() {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }
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
 * @param only which files of the source they are drawn from
 * @param say what to do with each line of the report
 * @returns {Promise<boolean>} whether the tests hold without a mutant
 */
export async function tryMutants(seed, count, only, say) {
  const before = performance.now()
  const first = new Runner('axios')
  const broken = await first.run(undefined)
  first.end()
  if (broken) {
    say(`The tests fail without a mutant: ${broken}`)
    return false
  }
  const bound = 3 * (performance.now() - before)

  const { mutants, possible } = draw(seed, count, only)
  const compiling = mutants.filter(compiler())
  const queue = compiling.filter((mutant) => !isKnown(mutant))
  say(`${mutants.length} of ${possible} were drawn. ${mutants.length - compiling.length} do not compile.`)
  say(`${compiling.length - queue.length} are the same for everybody (scripts/same-mutants.mjs).`)
  const fates = { noticed: [], slow: [], alive: [] }
  const work = async () => {
    const [newest, oldest] = ['axios', 'axios-oldest'].map((axios) => new Runner(axios))
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      let noticed = await newest.run(mutant, bound)
      if (!noticed && /\/axios\b/.test(mutant.file)) noticed = await oldest.run(mutant, bound)
      const fate = !noticed ? 'alive' : files.has(noticed) ? 'noticed' : 'slow'
      fates[fate].push(textOf(mutant))
      console.log(`${fate}: ${textOf(mutant)} ${noticed ?? ''}`)
    }
    newest.end()
    oldest.end()
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
