/**
 * `npm test`: everything. A failed step does not stop the ones after it, so that one run tells all there is to tell.
 * The steps come one after another, but for the tests in browsers: these wait most of their time, and run beside the
 * model, and tests that need other programs or processes. The last line is the sum of checks and tests.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { verify } from '../model/check.mjs'
import { runs as modelRuns } from '../model/runs.mjs'
import { ensureJest, ensureNext, ensureOldestReact, ensureRuntimes, ensureSites } from './runtimes.mjs'
import {
  build,
  ensureChromium,
  ensureFirefox,
  ensurePackages,
  ensurePostgres,
  ensureRedis,
  ensureSpin,
  ensureWebKit,
  root,
  run,
  tool,
} from './setup.mjs'
import { compareDocuments } from './tables.mjs'

const inCi = Boolean(process.env.CI)
const total = { passed: 0, failed: 0 }
const failures = []
const notRun = []

check('packages', () => {
  ensurePackages()
  return true
})
check('format and lint', () => node(tool('@biomejs/biome', 'check', '.')))
check('types', () => node(tool('typescript', '-p', 'tsconfig.json')))
check('build', build)
check('package: publint', () => node(tool('publint', '--strict')))
check('package: types as users resolve them', () =>
  node(tool('@arethetypeswrong/cli', '--pack', '.', '--profile', 'esm-only', '--no-summary')),
)
check('dead exports', () => node(tool('knip')))
check('size', () => node(tool('size-limit')))

const inBoth = await tests('tests', [
  '--project',
  'newest',
  '--project',
  'oldest axios',
  ...coverageOptions(),
])
if (inBoth.length === 0) fail('tests: none met the oldest axios')
printBranchCoverage()

heading('programs')
const chromium = await program('browser tests', ensureChromium)
const redis = await program('Redis tests', ensureRedis)
const postgres = await program('Postgres tests', ensurePostgres)
const spin = await program('model', ensureSpin)
const firefox = await program('tests of tabs in Firefox', ensureFirefox)
const webkit = await program('tests of tabs in WebKit', ensureWebKit)
const { installed, missing } = await ensureRuntimes()
if (ensureNext()) installed.push('Next.js')
else missing.push('Next.js')
if (!ensureOldestReact()) missing.push('the oldest React')
missing.push(...ensureSites())
if (!ensureJest()) missing.push('Jest')
if (missing.length > 0 && inCi) fail(`runtimes: no ${missing.join(', ')}`)
if (missing.length > 0) notRun.push(`tests of the packed package in ${missing.join(', ')}`)

await Promise.all([testsInBrowsers(), besideThem()])

check('tables of the documents', tablesOfDocuments)

console.log()
for (const failure of failures) console.log(`failed: ${failure}`)
for (const omission of notRun) console.log(`not run: ${omission}`)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 ? 1 : 0

async function testsInBrowsers() {
  if (!chromium) return
  await tests('browser tests', ['--project', 'browser'], {
    CHROMIUM_PATH: chromium,
    // An empty path: not in this one.
    FIREFOX_PATH: firefox ?? '',
    WEBKIT_DRIVER_PATH: webkit ?? '',
  })
}

async function besideThem() {
  if (spin) await runModel()
  // The backend-for-frontend is tried with both.
  const withoutBrowser = chromium ? [] : ['--exclude', 'examples/bff/**']
  if (redis)
    await tests('Redis tests', ['--project', 'redis', ...withoutBrowser], {
      REDIS_SERVER_PATH: redis,
      CHROMIUM_PATH: chromium ?? '',
    })
  if (postgres) await tests('Postgres tests', ['--project', 'postgres'], { POSTGRES_PATH: postgres })
  if (redis && !chromium) notRun.push('tests of the backend-for-frontend (no Chromium)')
  if (chromium || installed.length > 0)
    await tests('runtimes', ['--project', 'runtimes'], { CHROMIUM_PATH: chromium ?? '' })
  await tests('processes', ['--project', 'processes'])
}

async function runModel() {
  heading('model')
  for (const modelRun of modelRuns) {
    check(`model ${modelRun.asks}: ${modelRun.name}`, () => {
      const { passed, summary, counterexample } = verify(modelRun)
      console.log(summary)
      if (!passed) console.log(counterexample.join('\n'))
      return passed
    })
    // What the tests in browsers have said meanwhile is read: they would wait for it.
    await new Promise(setImmediate)
  }
}

function check(name, work) {
  heading(name)
  const started = performance.now()
  let passed = false
  try {
    passed = work()
  } catch (error) {
    console.error(error.message)
  }
  if (passed) total.passed += 1
  else fail(name)
  console.log(`${passed ? 'ok' : 'FAILED'}  ${seconds(started)}`)
}

/**
 * Runs Vitest, prints what it says when it has ended, and adds what its report says. Whatever the report cannot explain
 * counts as one failure. Returns the files that ran in more than one project.
 */
async function tests(name, args, env) {
  const started = performance.now()
  const report = reportOf(name)
  rmSync(report, { force: true })
  mkdirSync(join(root, '.cache'), { recursive: true })
  const { exitedWell, output } = await outputOf(
    tool('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args),
    env,
  )
  heading(name)
  process.stdout.write(output)
  const failedBefore = total.failed
  const suites = existsSync(report) ? addReport(name, JSON.parse(readFileSync(report, 'utf8'))) : []
  if (!(exitedWell && existsSync(report)) && total.failed === failedBefore)
    fail(`${name}: Vitest failed outside of any test`)
  console.log(`${total.failed === failedBefore ? 'ok' : 'FAILED'}  ${seconds(started)}`)
  return suites.filter((suite, index) => suites.indexOf(suite) < index)
}

/** Runs Node. Resolves when it has exited; whatever goes wrong is in the output. */
function outputOf(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    let output = ''
    const add = (chunk) => {
      output += chunk
    }
    child.stdout.setEncoding('utf8').on('data', add)
    child.stderr.setEncoding('utf8').on('data', add)
    child.on('error', ({ message }) => resolve({ exitedWell: false, output: `${output}${message}\n` }))
    child.on('close', (code) => resolve({ exitedWell: code === 0, output }))
  })
}

function reportOf(name) {
  return join(root, '.cache', `${name.replaceAll(' ', '-')}.json`)
}

/** Whether the tests that ran prove what the documents say that they prove. */
function tablesOfDocuments() {
  const { differences, notRun: cells } = compareDocuments(
    ['tests', 'browser tests', 'runtimes'].map(reportOf),
  )
  for (const difference of differences) console.log(difference)
  if (differences.length > 0) console.log('`npm run tables` writes what the run says.')
  if (cells.length > 0 && !inCi) notRun.push(...cells)
  else for (const cell of cells) console.log(`not run: ${cell}`)
  return differences.length === 0 && !(inCi && cells.length > 0)
}

function addReport(name, report) {
  total.passed += report.numPassedTests
  for (const suite of report.testResults) {
    const file = relative(root, suite.name)
    const failedTests = suite.assertionResults.filter((test) => test.status === 'failed')
    for (const test of failedTests) fail(`${file}: ${test.fullName}`)
    if (suite.status === 'failed' && failedTests.length === 0) fail(`${file}: did not load`)
  }
  if (report.numPassedTests + report.numFailedTests === 0) fail(`${name}: no test was executed`)
  const left = report.numPendingTests + report.numTodoTests
  if (left > 0 && inCi) fail(`${name}: ${left} skipped or to do`)
  else if (left > 0) notRun.push(`${left} skipped or to do (${name})`)
  return report.testResults.map((suite) => suite.name)
}

function coverageOptions() {
  return [
    '--coverage.enabled',
    '--coverage.reportOnFailure',
    '--coverage.reporter=text',
    '--coverage.reporter=json-summary',
    '--coverage.reportsDirectory=.cache/coverage',
  ]
}

function printBranchCoverage() {
  const path = join(root, '.cache', 'coverage', 'coverage-summary.json')
  if (!existsSync(path)) return
  const files = Object.entries(JSON.parse(readFileSync(path, 'utf8')))
  console.log()
  for (const folder of ['src/core', 'src/transports']) {
    const inside = files.filter(([file]) => relative(root, file).startsWith(join(folder, '/')))
    const sum = (key) => inside.reduce((all, [, file]) => all + file.branches[key], 0)
    const percent = sum('total') === 0 ? 'nothing' : `${((100 * sum('covered')) / sum('total')).toFixed(1)} %`
    console.log(`branch coverage of ${folder}: ${percent} (${sum('covered')} of ${sum('total')})`)
  }
}

/** Path of a program; where there is none, its tests are not run, which is a failure in CI. */
async function program(name, ensure) {
  try {
    const path = await ensure()
    if (!path && inCi) fail(`${name}: the program is missing`)
    else if (!path) notRun.push(`${name} (the program is missing)`)
    return path
  } catch (error) {
    fail(`${name}: ${error.message}`)
    return undefined
  }
}

function node(args) {
  return run(process.execPath, args)
}

function fail(what) {
  total.failed += 1
  failures.push(what)
}

function heading(name) {
  console.log(`\n── ${name} ──`)
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}
