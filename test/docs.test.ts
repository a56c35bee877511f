import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { variables } from '@taxiway/chassis/config.ts'
import { reasonCodes, sampleSentence } from '@taxiway/domain/reason.ts'
import { moves } from '@taxiway/domain/run/run.ts'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const variableTable = [
  '| variable | default | what it is |',
  '|---|---|---|',
  ...Object.entries(variables).map(
    ([name, { default: value, help }]) => `| \`${name}\` | ${value ? `\`${value}\`` : ''} | ${help} |`,
  ),
]
const stateTable = [
  '| state | moves on to |',
  '|---|---|',
  ...Object.entries(moves).map(
    ([state, next]) => `| ${state} | ${next.length > 0 ? next.join(', ') : 'nothing, it is final'} |`,
  ),
]
const reasonTable = [
  '| code | sentence |',
  '|---|---|',
  ...reasonCodes.map((code) => `| \`${code}\` | ${sampleSentence(code)} |`),
]

/** Between the markers of a file stands exactly this; UPDATE_DOCS=1 writes it. */
function expectBetween(file: string, marker: string, lines: string[]): void {
  const path = join(root, file)
  const text = readFileSync(path, 'utf8')
  const pattern = new RegExp(`(<!-- ${marker} -->\n)[^]*?(<!-- /${marker} -->)`)
  expect(text).toMatch(pattern)
  const wanted = text.replace(pattern, (_all, before, after) => `${before}${lines.join('\n')}\n${after}`)
  if (process.env.UPDATE_DOCS) writeFileSync(path, wanted)
  expect(readFileSync(path, 'utf8')).toBe(wanted)
}

test('the README lists every variable with its default', () => expectBetween('README.md', 'variables', variableTable))
test('ARCHITECTURE draws the states from the table', () => expectBetween('ARCHITECTURE.md', 'states', stateTable))
test('the reference lists every variable with its default', () =>
  expectBetween('docs/reference/configuration.md', 'variables', variableTable))
test('the page of reasons has every code and its sentence', () =>
  expectBetween('docs/reference/reasons.md', 'reasons', reasonTable))

test('ARCHITECTURE shows the walls that the test of walls holds', () => {
  const table = /const walls[^=]*= \{\n([^}]*)\}/.exec(read('test/walls.test.ts'))?.[1] ?? ''
  const held = [...table.matchAll(/'([\w/-]+)': \[([^\]]*)\]/g)].map(([, room, rooms]) => [
    room,
    rooms?.replace(/[',\s]+/g, ' ').trim() || 'nothing',
  ])
  const shown = [...read('ARCHITECTURE.md').matchAll(/^\| `([\w/-]+)` \| [^|]+ \| ([^|]+) \|$/gm)].map((match) =>
    match.slice(1),
  )
  expect(held.length).toBeGreaterThan(10)
  expect(shown).toEqual(held)
})

/** `a/{b,c}.ts` names two files, `a/*.ts` at least one. */
const exists = (path: string) =>
  /^[\w./{},*-]+$/.test(path) && [path].flatMap((pattern) => globSync(pattern, { cwd: root })).length > 0

const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
const documents = [...pages, ...globSync('docs/**/*.md', { cwd: root })]
test.each(documents)('%s names only files that are there, and links to none that are not', (file) => {
  const text = read(file)
  const named = [...text.matchAll(/`((?:packages|services|test|deploy|docs|schema)\/[^`\s]*)`/g)].map(
    (match) => match[1] as string,
  )
  expect(named.filter((path) => !exists(path))).toEqual([])
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((match) => match[1] as string)
  expect(links.filter((link) => !existsSync(join(root, dirname(file), link)))).toEqual([])
})

test('each file that ARCHITECTURE names by its last parts is in a room, and so is each folder of the larger rooms', () => {
  const text = read('ARCHITECTURE.md')
  const files = new Set(globSync('{packages,services}/**/*.{ts,lua}', { cwd: root }))
  const isThere = (end: string) => [...files].some((file) => file.endsWith(`/${end}`) && !file.includes('node_modules'))
  const named = [...text.matchAll(/`([\w/-]+\.(?:ts|lua))`/g)].map((match) => match[1] as string)
  expect(named.length).toBeGreaterThan(30)
  expect(named.filter((file) => !existsSync(join(root, file)) && !isThere(file))).toEqual([])
  const folders = [...text.matchAll(/^\| `((?:packages|services)\/\w+)\/` \| (.+) \|$/gm)].flatMap(([, room, row]) =>
    [...(row ?? '').matchAll(/`([\w/-]+)`/g)].map((match) => `${room}/${match[1]}`),
  )
  expect(folders.length).toBeGreaterThan(20)
  expect(folders.filter((folder) => !existsSync(join(root, folder)))).toEqual([])
})

test('ARCHITECTURE answers ten questions, each by a file', () => {
  const asked = read('ARCHITECTURE.md').split('## Where is…?')[1]?.split('\n## ')[0] ?? ''
  const lines = asked.trim().split('\n')
  expect(lines).toHaveLength(10)
  for (const line of lines) expect(line).toMatch(/^- \*\*[^*]+\?\*\* `(?:packages|services)\/[\w/.-]+`: .+\.$/)
})

test('the README promises what has a test, and every test of a promise is named there', () => {
  const section = read('README.md').split('## What you can rely on')[1]?.split('\n## ')[0] ?? ''
  const claimed = [...new Set([...section.matchAll(/`(p\d\d)`/g)].map((match) => match[1]))].sort()
  const tested = globSync('test/{promises,cluster/promises,alone}/p*.test.ts', { cwd: root }).map((file) =>
    file.split('/').at(-1)?.slice(0, 3),
  )
  expect(claimed).toEqual([...new Set(tested)].sort())
})

test('every defence in SECURITY names its test', () => {
  const rows = [...read('SECURITY.md').matchAll(/^\| (?!danger|-)(.+) \|$/gm)].map(
    (match) => match[1]?.split(' | ') ?? [],
  )
  expect(rows.length).toBeGreaterThan(5)
  expect(rows.filter((row) => !/`[\w/-]+\.test\.ts`/.test(row[2] ?? ''))).toEqual([])
})

test('the cluster manifests are valid YAML, and set only variables that the configuration knows', () => {
  const text = ['taxiway', 'deployer-rbac'].map((name) => read(`deploy/kubernetes/${name}.yaml`))
  const parsed = text.flatMap((one) => parseAllDocuments(one))
  expect(parsed.flatMap(({ errors }) => errors)).toEqual([])
  const set = text
    .join('\n')
    .replace(/#.*/g, '')
    .matchAll(/\b(TAXIWAY_[A-Z_]+|REDIS_URL|DOCKER_HOST|KUBECONFIG)\b/g)
  const names = [...new Set([...set].map((match) => match[1] as string))]
  expect(names).toContain('REDIS_URL')
  expect(names.filter((name) => !(name in variables))).toEqual([])
})
