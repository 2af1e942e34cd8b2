import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { OLDEST_REACT } from '../scripts/runtimes.mjs'

interface Manifest {
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
  devDependencies: Record<string, string>
  files: string[]
  repository: { url: string }
  homepage: string
  bugs: string
}

const manifest: Manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

type Release = readonly [major: number, minor: number]

function releaseOf(version: string): Release {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return [major, minor]
}

const isBefore = ([major, minor]: Release, [otherMajor, otherMinor]: Release): boolean =>
  major < otherMajor || (major === otherMajor && minor < otherMinor)

/** The releases of a peer that tests have, under its own name or another: `redis-4-oldest`. */
function testedOf(peer: string): Release[] {
  return [...Object.entries(manifest.devDependencies), ...OLDEST_REACT.map((name) => name.split('@'))]
    .filter(([name, version = '']) => name === peer || version.startsWith(`npm:${peer}@`))
    .map(([, version = '']) => releaseOf(version.slice(version.lastIndexOf('@') + 1)))
}

describe.each(Object.entries(manifest.peerDependencies))('the range of the peer %s', (peer, range) => {
  const [, least = '', end = ''] = /^>=([\d.]+) <([\d.]+)$/.exec(range) ?? []

  test('it is as wide as what is tested, and no wider', () => {
    const tested = testedOf(peer)
    expect(tested).toContainEqual(releaseOf(least))
    const [greatest] = releaseOf(end)
    for (const release of tested) {
      expect(isBefore(release, releaseOf(least))).toBe(false)
      expect(isBefore(release, releaseOf(end))).toBe(true)
    }
    expect(tested.map(([major]) => major)).toContain(greatest - 1)
  })

  test('who does without it need not have it', () => {
    expect(manifest.peerDependenciesMeta[peer]).toEqual({ optional: true })
  })
})

test('the package says where it comes from', () => {
  const { homepage, bugs, repository } = manifest
  const [, page] = /^git\+(https:.+)\.git$/.exec(repository.url) ?? []
  expect({ homepage, bugs }).toEqual({ homepage: `${page}#readme`, bugs: `${page}/issues` })
})

test('it has the examples, without their tests, and they need nothing that it has not', () => {
  expect(manifest.files).toEqual(
    expect.arrayContaining(['dist', 'examples', '!examples/**/*.test.*', '!examples/**/stage.ts']),
  )
  const folder = new URL('../examples/', import.meta.url)
  const packed = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => /\.tsx?$/.test(name) && !/\.test\.|(?:^|\/)stage\.ts$/.test(name),
  )
  const needy = packed.filter((name) =>
    /from '(?:\.\.\/)+(?:test|src)\//.test(readFileSync(new URL(name, folder), 'utf8')),
  )
  expect(packed).toContain('axios.ts')
  expect(needy).toEqual([])
})
