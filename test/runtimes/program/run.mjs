import { axios } from './axios.mjs'
import { core } from './core.mjs'
import { fetching as fetch } from './fetch.mjs'

const CHECKS = { core, axios, fetch }

/**
 * Runs every check against a server of its own, one after the other.
 *
 * @param given by subject and check: `{ url, tokens }`
 * @returns by subject and check: `{ passed, saw }`, or `{ passed: false, error }`
 */
export async function run(given) {
  const results = {}
  for (const [subject, checks] of Object.entries(CHECKS)) {
    results[subject] = {}
    for (const [name, check] of Object.entries(checks))
      results[subject][name] = await outcomeOf(() => check(given[subject][name]))
  }
  return results
}

async function outcomeOf(check) {
  const patience = 60_000
  let timer
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${patience} ms`)), patience)
  })
  try {
    return { passed: true, saw: await Promise.race([check(), tooLate]) }
  } catch (error) {
    const because = error?.cause ? `\ncause: ${error.cause.stack ?? error.cause}` : ''
    return { passed: false, error: `${error?.stack ?? error}${because}` }
  } finally {
    clearTimeout(timer)
  }
}
