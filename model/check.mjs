/**
 * Runs the model checker: `npm run model`, or `npm run model -- 3 tabs` for the runs whose name contains that. Needs
 * spin and a C compiler.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureSpin, root } from '../scripts/setup.mjs'
import { longRuns, runs } from './runs.mjs'

/** Megabytes that a run may take, and minutes. */
const MEMORY = { short: 3_500, long: 7_500 }
const MINUTES = { short: 5, long: 60 }

/** How a violated property looks in the checker's output. */
const VIOLATIONS = {
  L1: /assertion violated .*overdue\|\|.*>>3/,
  EXPLAINED: /assertion violated .*excused/,
  L2: /assertion violated .*(cell\.version|sentAs)/,
  L5: /assertion violated .*\.over\)/,
  RELEASED: /assertion violated .*\.waits/,
  ENDS: /non-progress cycle/,
}

/**
 * Asks the model one question.
 *
 * @param {import('./runs.mjs').Run} run
 * @param {boolean} long whether it may take its time
 * @returns {{ passed: boolean, summary: string, counterexample: string[] }}
 */
export function verify(run, long = false) {
  const folder = join(root, '.cache', `model-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  try {
    copyFileSync(join(root, 'model', 'refresh.pml'), join(folder, 'refresh.pml'))
    return ask(run, long, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function ask(run, long, folder) {
  const { compiler, checker, defines } = toolsFor(run, long)
  const command = (name, args) =>
    spawnSync(name, args, {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      timeout: (long ? MINUTES.long : MINUTES.short) * 60_000,
    })
  for (const [name, args] of [
    ['spin', ['-a', ...defines, 'refresh.pml']],
    ['cc', ['-w', ...compiler, '-o', 'pan', 'pan.c']],
  ]) {
    const { status, stdout, stderr, error } = command(name, args)
    if (status !== 0) return failed(`${name}: ${error?.message ?? stdout + stderr}`)
  }
  const { stdout, stderr, error } = command(join(folder, 'pan'), checker)
  const output = stdout + stderr
  const states = /^\s*([\d.e+]+) states, stored/m.exec(output)?.[1]
  const summary = `${Number(states).toLocaleString('en')} states`
  if (error) return failed(error.message)
  const errors = Number(/errors: (\d+)/.exec(output)?.[1])
  const counterexample = errors ? tell(command('spin', ['-t', ...defines, 'refresh.pml']).stdout) : []
  if (run.asks === 'refuted') {
    const passed = errors > 0 && VIOLATIONS[run.property].test(output)
    return { passed, summary: passed ? `${summary}, ${counterexample.length} steps` : output, counterexample }
  }
  const unfinished = /max search depth|out of memory|MEMLIM|Search not completed/.test(output)
  if (errors !== 0 || states === undefined || (unfinished && !run.minutes))
    return { passed: false, summary: output, counterexample }
  return { passed: true, summary: run.minutes ? `${summary}, sampled` : summary, counterexample }
}

function toolsFor({ asks, property, defines, minutes }, long) {
  const endless = asks === 'ends' || property === 'ENDS'
  const properties =
    asks === 'holds' ? Object.keys(VIOLATIONS) : asks === 'refuted' ? [property] : ['RELEASED']
  // The shortest counterexample is found breadth-first.
  const shortest = asks === 'refuted' && !endless
  const all = { ...defines, ...Object.fromEntries(properties.map((name) => [name, true])) }
  if (shortest) all.SHORTEST = true
  return {
    defines: Object.entries(all).map(([name, value]) =>
      value === true ? `-D${name}` : `-D${name}=${value}`,
    ),
    compiler: [
      // Where a counterexample is near, compiling takes longer than searching.
      asks === 'refuted' ? '-O0' : '-O2',
      `-DMEMLIM=${long ? MEMORY.long : MEMORY.short}`,
      endless ? '-DNP' : '-DSAFETY',
      ...(shortest ? ['-DBFS'] : []),
      ...(minutes ? ['-DBITSTATE'] : []),
    ],
    checker: [
      ...(endless ? ['-l'] : []),
      ...(shortest ? [] : ['-m10000']),
      ...(minutes ? ['-w33', `-Q${minutes}`] : ['-w24']),
    ],
  }
}

/** What the steps of a counterexample say. */
function tell(trail) {
  return trail
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(tab \d|network|server|clock): /.test(line))
}

function failed(summary) {
  return { passed: false, summary, counterexample: [] }
}

/** Runs what is asked for, and prints it. Returns whether all is as it should be. */
export function checkAll(asked, print, long) {
  let passed = true
  for (const run of asked) {
    const answer = verify(run, long)
    passed &&= answer.passed
    print(`${answer.passed ? 'ok    ' : 'FAILED'}  ${run.asks}: ${run.name} (${answer.summary})`)
    for (const step of answer.counterexample) print(`          ${step}`)
  }
  return passed
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const part = process.argv.slice(2).join(' ')
  const asked = part ? [...runs, ...longRuns].filter(({ name }) => name.includes(part)) : runs
  if (asked.length === 0) throw new Error(`There is no run whose name contains "${part}".`)
  if (!(await ensureSpin()) || !checkAll(asked, console.log, part !== '')) process.exitCode = 1
}
