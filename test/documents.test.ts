/** What the documents say is what the files beside them say. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import type { SessionErrorCode } from 'refresh-once'
import { expect, test } from 'vitest'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const inside = (folder: string): string[] =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}${name}`)

/** What users read. */
const documents = ['README.md', ...inside('docs/').filter((name) => name.endsWith('.md'))]
const pages = [
  ...documents,
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...['model/', 'test/laws/'].map((folder) => `${folder}README.md`),
]

const LANGUAGES = /^```(?:[jt]sx?|m[jt]s)\n/gm
const BLOCK = /<!-- (\S+?\.[jt]sx?) -->\n+```[jt]sx?\n(.*?)^```/gms
const DIFF = /<!-- (examples\/\S+) -->\n+```diff\n(.*?)^```/gms
/** The reason why a block is in no file. */
const NOT_EXECUTED = /<!-- not executed: .+ -->\n+```[jt]sx?\n/g

/** Each code block of a page that says which file it is from. */
function blocksOf(page: string): (readonly [title: string, block: { file: string; code: string }])[] {
  return [...read(page).matchAll(BLOCK)].map(([, file = '', code = '']) => {
    const line = code.split('\n', 1)[0]?.trim()
    return [`${page}: ${file}, from "${line}"`, { file, code }] as const
  })
}

/** What a line says: the pages leave out types that are inferred, indentation, and `export`. */
function say(line: string): string {
  return line
    .trim()
    .replace(/^export (?=const|async|function)/, '')
    .replace(/^(const \w+): .+? = /, '$1 = ')
    .replace(/, \{ type \w+ \}|, type \w+|type \w+, /g, '')
}

test('the README is short enough to be read', () => {
  expect(Buffer.byteLength(read('README.md'))).toBeLessThanOrEqual(14_000)
})

test('the README leads to every document, and the guide is where contributing begins', () => {
  const links = linksOf('README.md').map(({ path }) => path)
  expect(documents.filter((page) => page !== 'README.md' && !links.includes(page))).toEqual([])
  expect(linksOf('CONTRIBUTING.md')[0]?.path).toBe('docs/guide.md')
})

test('the README says of each code what to do', () => {
  const codes: Record<SessionErrorCode, true> = {
    session_expired: true,
    refresh_failed: true,
    refresh_timeout: true,
    refresh_loop: true,
    step_up_required: true,
    session_changed: true,
    session_closed: true,
    not_replayable: true,
  }
  const rows = [...read('README.md').matchAll(/^\| `([a-z]+_[a-z_]+)` \|.+\|.+\|$/gm)].map(([, code]) => code)
  expect(rows).toEqual(Object.keys(codes))
})

test.each(documents)('%s: every block of code names its file, or why it has none', (page) => {
  const text = read(page)
  const exempt = text.match(NOT_EXECUTED) ?? []
  expect(text.match(LANGUAGES) ?? []).toHaveLength(blocksOf(page).length + exempt.length)
})

test.each(documents.flatMap(blocksOf))(
  '%s has the lines that are shown, in their order',
  (_, { file, code }) => {
    // Whatever is shown is executed: by the test of its example, or in a site of the tests.
    expect(file).toMatch(/^(?:examples|test)\//)
    const lines = read(file).split('\n').map(say)
    let at = 0
    for (const line of code.split('\n').map(say)) {
      if (!line || line === '// …') continue
      const found = lines.indexOf(line, at)
      expect(found, `not in ${file}, or not here: ${line}`).toBeGreaterThanOrEqual(at)
      at = found + 1
    }
  },
)

test.each(documents)('%s: what a diff adds or leaves is in the file that it names', (page) => {
  for (const [, file = '', diff = ''] of read(page).matchAll(DIFF)) {
    const lines = read(file).split('\n').map(say)
    for (const line of diff.split('\n'))
      if (/^[+ ]/.test(line)) expect(lines, `not in ${file}`).toContain(say(line.slice(1)))
  }
})

test.each(pages)('%s: its links lead somewhere', (page) => {
  for (const { link, path, anchor } of linksOf(page)) {
    expect(path.startsWith('..'), `out of the repository: ${link}`).toBe(false)
    expect(existsSync(new URL(path, root)), link).toBe(true)
    expect(statSync(new URL(path, root)).isDirectory(), `a folder ends with a slash: ${link}`).toBe(
      path === '' || path.endsWith('/'),
    )
    if (anchor) expect(anchorsOf(path), link).toContain(anchor)
  }
})

test('what holds an attacker is shown by a test of that name, or said to be nothing', () => {
  const [, table = ''] = /^### Who attacks.*?$(.*?)^### /ms.exec(read('SECURITY.md')) ?? []
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
  expect(rows.filter((row) => row.startsWith('| **'))).toHaveLength(5)
  for (const row of rows) {
    const tests = [...row.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)]
    if (!row.includes('**nothing**')) expect(tests, row).not.toHaveLength(0)
    for (const [, title = '', file = ''] of tests) {
      // The title itself, wherever it stands: of a test, of a group, or of one of its cases.
      expect(file).toMatch(/\.test\.tsx?$/)
      expect(read(file), file).toContain(title)
    }
  }
})

test('CONTRIBUTING names every folder of the repository', () => {
  const [, table = ''] = /^## Where things are$(.*?)^## /ms.exec(read('CONTRIBUTING.md')) ?? []
  const named = [...table.matchAll(/^\| `(.+?)` \|/gm)].map(([, folder = '']) => folder)
  const ignored = read('.gitignore').split('\n')
  const below = (of: string): string[] =>
    readdirSync(new URL(of, root), { withFileTypes: true })
      // What editors and git keep for themselves is none of the repository's.
      .filter((entry) => entry.isDirectory() && !/^\.(?!ci|github)/.test(entry.name))
      .filter((entry) => !ignored.includes(`${entry.name}/`))
      .flatMap(({ name }) => [`${of}${name}`, ...below(`${of}${name}/`)])
  // The folders of a site are its routes, and those of an app are as its tool wants them.
  const there = below('').filter(
    (folder) => !/^test\/(?:runtimes\/(?:next|nuxt|react-router|svelte-kit)|newcomer)\//.test(folder),
  )
  expect(there.filter((folder) => !named.includes(folder))).toEqual([])
  expect(named.filter((folder) => !existsSync(new URL(`${folder}/`, root)))).toEqual([])
})

test('titles of tests are sentences, without codes', () => {
  const files = ['test/', 'examples/'].flatMap(inside).filter((name) => /\.test\.tsx?$/.test(name))
  const codes =
    /\([A-Z]\d{1,3}[a-z]?(?:, [A-Z]\d{1,3}[a-z]?)*\)|['"`][A-Z]\d{1,3}[a-z]?[:.]? |(?:test|describe)\b.*['"` ]\(\d\d[a-z]?[;,)]/
  const coded = files.flatMap((file) => {
    const lines = read(file).split('\n')
    return lines.flatMap((line, index) => (codes.test(line) ? [`${file}:${index + 1}`] : []))
  })
  expect(coded).toEqual([])
})

test('each law that a run can name is explained', () => {
  const explained = [...read('test/laws/README.md').matchAll(/^\| (L\d) \|/gm)].map(([, name]) => name)
  const sources = inside('test/laws/').filter((name) => name.endsWith('.ts'))
  const named = sources.flatMap((file) => [...read(file).matchAll(/\bL\d\b/g)].map(([name]) => name))
  expect([...new Set(named)].sort()).toEqual(explained)
})

interface Link {
  link: string
  /** From the root of the repository. */
  path: string
  anchor: string | undefined
}

/** The links of a page to files and anchors here. */
function linksOf(page: string): Link[] {
  const text = withoutCode(read(page))
  const inlined = [...text.matchAll(/\]\(([^)\s]+)(?: "[^"]*")?\)|\s(?:src|srcset)="([^"]+)"/g)]
  return inlined.flatMap(([, markdown, attribute]) => {
    const link = markdown ?? attribute ?? ''
    if (/^[a-z]+:/.test(link)) return []
    const [path = '', anchor] = link.split('#')
    // Of a base that has folders enough: `..` that lead out of the repository are to be seen.
    const { pathname } = path ? new URL(path, `file:///a/b/c/${page}`) : new URL(`file:///a/b/c/${page}`)
    const within = pathname.startsWith('/a/b/c/') ? pathname.slice('/a/b/c/'.length) : `..${pathname}`
    return [{ link, path: decodeURI(within), anchor }]
  })
}

/** The anchors of a page, as GitHub makes them of its headings. */
function anchorsOf(page: string): string[] {
  const seen = new Map<string, number>()
  return [...withoutCode(read(page)).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => {
    const slug = title
      .replace(/\[(.*?)\]\(.*?\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    const before = seen.get(slug) ?? 0
    seen.set(slug, before + 1)
    return before ? `${slug}-${before}` : slug
  })
}

/** Without its blocks of code, in which a `#` is no heading. */
function withoutCode(text: string): string {
  return text.replace(/^(```+).*?^\1$/gms, '')
}
