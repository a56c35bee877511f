import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import type { Sha } from '@taxiway/domain/ids.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type Copy, withCopy } from '../../../services/deployer/programs/copy.ts'
import { type ChartOrder, renderChart } from '../../../services/deployer/programs/helm.ts'
import { buildKustomization } from '../../../services/deployer/programs/kustomize.ts'
import { runProgram } from '../../../services/deployer/programs/program.ts'
import { git } from '../../git-host/git.ts'
import { renderPrograms } from '../../world/render-programs.ts'

const paths = { before: process.env.PATH, programs: '' }
let folder: string
let server: Server
let address = ''
const asked: string[] = []
const signal = new AbortController().signal

beforeAll(async () => {
  paths.programs = renderPrograms()
  process.env.PATH = `${paths.programs}:${paths.before}`
  folder = mkdtempSync(join(tmpdir(), 'taxiway-render-'))
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.end('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: stranger }\n')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.yaml`
})
afterAll(() => {
  process.env.PATH = paths.before
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A commit with these files; `-> target` is a link. Everything is made anew in a private folder, which must be gone at the end. */
type Files = Record<string, string | Buffer>
async function inCommit<T>(files: Files, work: (copy: Copy) => Promise<Outcome<T>>) {
  const repository = mkdtempSync(join(folder, 'repository-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(repository, path)), { recursive: true })
    if (typeof text === 'string' && text.startsWith('-> ')) symlinkSync(text.slice(3), join(repository, path))
    else writeFileSync(join(repository, path), text)
  }
  const identity = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
  }
  await git(repository, ['init', '--quiet'])
  await git(repository, ['add', '--all'])
  await git(repository, ['commit', '--quiet', '--message=x'], { env: identity })
  const sha = (await git(repository, ['rev-parse', 'HEAD'])).trim() as Sha
  const place = join(repository, 'place')
  const outcome = await withCopy({ mirror: { folder: join(repository, '.git') }, sha, place, signal }, work)
  expect(readdirSync(place)).toEqual([])
  return outcome
}
const objectsIn = (outcome: Outcome<Buffer>) => {
  if (!outcome.ok) throw new Error(outcome.reason.message)
  return parseAllDocuments(outcome.value.toString()).map((document) => document.toJS())
}
const messageOf = (outcome: Outcome<unknown>) =>
  outcome.ok ? 'done' : `${outcome.reason.code}: ${outcome.reason.message}`
const lines: string[] = []
const say = (line: string) => void lines.push(line)
const kustomize = (files: Record<string, string>, path = 'k8s') =>
  inCommit(files, (copy) => buildKustomization(copy, path, { say, signal }))
const plain: ChartOrder = { path: 'chart', values: [], set: {}, release: 'shop', namespace: 'shop', isUpgrade: false }
const helm = (files: Files, more: Partial<ChartOrder> = {}) =>
  inCommit(files, (copy) => renderChart(copy, { ...plain, namespace: 'shop-staging', ...more }, { say, signal }))

const config = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: web }\ndata: { a: b }\n'
const overlay = {
  'base/kustomization.yaml': 'resources: [web.yaml]\n',
  'base/web.yaml': config,
  'k8s/kustomization.yaml': `namePrefix: big-
bases: [../base]
commonAnnotations: { docs: "https://example.com/why" }
configMapGenerator: [{ name: generated, literals: ["URL=https://example.com"], files: [more=notes.txt] }]
`,
  'k8s/notes.txt': 'hello\n',
}

test.each(['kubectl of the package', 'kubectl of this machine'])(
  'a kustomization is built by the %s',
  async (which) => {
    if (which.endsWith('machine')) process.env.PATH = paths.before
    const objects = objectsIn(await kustomize(overlay))
    process.env.PATH = `${paths.programs}:${paths.before}`
    expect(objects.map(({ metadata }) => metadata.name).sort()).toEqual([
      expect.stringMatching(/^big-generated-/),
      'big-web',
    ])
    expect(lines.at(-1)).toMatch(/^building k8s with kubectl v1\.\d+\.\d+/)
  },
)

test.each<[string, string]>([
  ['a remote base', 'resources: ["github.com/kubernetes-sigs/kustomize//examples/helloWorld?ref=v1.0.6"]'],
  ['a remote file', 'resources: [ADDRESS]'],
  ['a remote patch', 'resources: [web.yaml]\npatches: [{ path: ADDRESS }]'],
  ['a remote patch of the old kind', 'resources: [web.yaml]\npatchesStrategicMerge: [ADDRESS]'],
  ['a remote file of a generator', 'configMapGenerator: [{ name: x, files: ["a=ADDRESS"] }]'],
  ['remote variables of a generator', 'configMapGenerator: [{ name: x, envs: [ADDRESS] }]'],
  ['a remote definition', 'resources: [web.yaml]\ncrds: [ADDRESS]'],
  ['a remote schema of kinds', 'resources: [web.yaml]\nopenapi: { path: ADDRESS }'],
  ['a remote configuration', 'resources: [web.yaml]\nconfigurations: [ADDRESS]'],
  ['a base out of the repository', 'resources: [../../../../etc]'],
  ['a file that is named absolutely', 'configMapGenerator: [{ name: x, files: [/etc/passwd] }]'],
  ['a chart', 'helmCharts: [{ name: x, repo: ADDRESS }]'],
  ['a generator', 'generators: [web.yaml]'],
  ['a transformer', 'transformers: [web.yaml]'],
])('%s is refused, and nothing is asked for it', async (_what, text) => {
  const outcome = await kustomize({
    'k8s/kustomization.yaml': text.replaceAll('ADDRESS', address),
    'k8s/web.yaml': config,
  })
  expect(messageOf(outcome)).toMatch(
    /^manifest_invalid: k8s\/kustomization\.yaml: .*(is not in the commit|is not allowed)/,
  )
  expect(asked).toEqual([])
})

test('what a base takes in is looked at too, and links that lead out are refused', async () => {
  const base = { ...overlay, 'base/kustomization.yaml': `resources: ["${address}"]\n` }
  expect(messageOf(await kustomize(base))).toMatch(/^manifest_invalid: base\/kustomization\.yaml/)
  expect(messageOf(await kustomize({ ...overlay, 'k8s/out': '-> /etc/passwd' }))).toBe(
    'path_outside_repo: k8s/out leads out of the repository.',
  )
  expect(messageOf(await kustomize({ ...overlay, 'x/deep': '-> ../k8s', 'x/out': '-> deep/../../../x' }))).toMatch(
    /^path_outside_repo: x\/out/,
  )
  expect(await kustomize({ ...overlay, 'k8s/in': '-> ../base/web.yaml' })).toMatchObject({ ok: true })
  expect(asked).toEqual([])
})

test('what is wrong with a kustomization is told without our folders', async () => {
  const outcome = await kustomize({ 'k8s/kustomization.yaml': 'resources: [web.yaml]\n', 'k8s/web.yaml': 'kind: {\n' })
  expect(messageOf(outcome)).toMatch(/^manifest_invalid: k8s: web\.yaml: /)
  expect(messageOf(outcome)).not.toContain(folder)
})

const chart = {
  'chart/Chart.yaml': 'apiVersion: v2\nname: shop\nversion: 1.0.0\n',
  'chart/values.yaml': 'level: low\n',
  'chart/templates/web.yaml': `apiVersion: {{ if semverCompare ">=1.21-0" .Capabilities.KubeVersion.Version }}policy/v1{{ else }}policy/v1beta1{{ end }}
kind: PodDisruptionBudget
metadata: { name: {{ .Release.Name }}-{{ .Values.level }}, namespace: {{ .Release.Namespace }} }
`,
  'chart/templates/hook.yaml': `apiVersion: batch/v1
kind: Job
metadata: { name: hook, annotations: { helm.sh/hook: pre-install } }
`,
}

test('a chart is rendered with its values, for the version of the cluster, with its hooks', async () => {
  const files = { ...chart, 'high.yaml': 'level: high\n' }
  expect(objectsIn(await helm(files, { values: ['high.yaml'], kubeVersion: '1.20.0' }))).toEqual([
    {
      apiVersion: 'policy/v1beta1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'shop-high', namespace: 'shop-staging' },
    },
    expect.objectContaining({ kind: 'Job' }),
  ])
  expect(objectsIn(await helm(files))[0]).toMatchObject({ apiVersion: 'policy/v1', metadata: { name: 'shop-low' } })
  expect(lines.at(-1)).toBe('rendering chart with helm v3.8.1')
})

test.each<[string, Record<string, string>, RegExp]>([
  ['an archive that is none', { 'chart/charts/x.tgz': 'x' }, /charts\/x\.tgz is no \.tgz/],
  ['a remote schema', { 'chart/values.schema.json': '{"$ref": "ADDRESS"}' }, /refers to another schema/],
  ['a name server', { 'chart/templates/x.yaml': '{{ getHostByName "x" }}' }, /uses getHostByName/],
  ['a link', { 'chart/templates/x.yaml': '-> web.yaml' }, /is a link/],
  [
    'a chart that it does not have',
    {
      'chart/Chart.yaml': `${chart['chart/Chart.yaml']}dependencies: [{ name: x, version: 1.0.0, repository: "ADDRESS" }]\n`,
    },
    /not in the commit \(x\); run "helm dependency update"/,
  ],
  ['a template that fails', { 'chart/templates/x.yaml': '{{ fail "name a level" }}' }, /name a level/],
])('%s is refused, and nothing is asked for it', async (_what, more, words) => {
  const files = Object.fromEntries(
    Object.entries(more).map(([path, text]) => [path, text.replaceAll('ADDRESS', address)]),
  )
  const message = messageOf(await helm({ ...chart, ...files }))
  expect(message).toMatch(/^manifest_invalid: chart: /)
  expect(message).toMatch(words)
  expect(message).not.toContain(folder)
  expect(asked).toEqual([])
})

test('charts that a chart depends on may be archives in the commit, and are looked into as well', async () => {
  const archive = async (files: Files) => {
    const tar = pack()
    for (const [name, text] of Object.entries(files)) tar.entry({ name }, text)
    tar.finalize()
    return gzipSync(await buffer(tar))
  }
  const redis = {
    'redis/Chart.yaml': 'apiVersion: v2\nname: redis\nversion: 1.2.3\n',
    'redis/templates/a.yaml': 'kind: R\nmetadata: { name: "{{ .Values.global.name }}" }\n',
  }
  const inner = {
    'deep/Chart.yaml': 'apiVersion: v2\nname: deep\nversion: 1.0.0\n',
    'deep/templates/a.yaml': 'kind: D\n',
  }
  const shop = {
    ...chart,
    'chart/Chart.yaml': `${chart['chart/Chart.yaml']}dependencies: [{ name: redis, version: 1.x.x, repository: "https://charts.example.com" }]\n`,
  }
  const whole = { ...redis, 'redis/charts/deep-1.0.0.tgz': await archive(inner) }
  const files = { ...shop, 'chart/charts/redis-1.2.3.tgz': await archive(whole) }
  const objects = objectsIn(await helm(files, { set: { 'global.name': 'shop' } }))
  expect(objects).toContainEqual({ kind: 'R', metadata: { name: 'shop' } })
  expect(objects).toContainEqual({ kind: 'D' })

  const hidden = { ...redis, 'redis/templates/b.yaml': '{{ getHostByName "x" }}' }
  const outside = { ...redis, 'redis/../../x.yaml': 'x' }
  const messageFor = async (content: Files) =>
    messageOf(await helm({ ...shop, 'chart/charts/redis-1.2.3.tgz': await archive(content) }))
  expect(await messageFor(hidden)).toMatch(
    /^manifest_invalid: chart: charts\/redis-1\.2\.3\/templates\/b\.yaml uses getHostByName/,
  )
  expect(await messageFor(outside)).toMatch(/charts\/redis-1\.2\.3\.tgz holds .*, which leads out of it/)
})

test('values are set by their paths, texts as they are', async () => {
  const template =
    'kind: X\na: {{ .Values.a.b | quote }}\nc: {{ kindOf .Values.c }} {{ kindOf .Values.d }}\ne: {{ index .Values "e.f/g" | quote }}\nh: {{ (index .Values.h 1).i }}\n'
  const set = { 'a.b': '{x},y=\\z', c: true, d: '1', 'e\\.f/g': 'dots', 'h[1].i': 4 }
  expect(objectsIn(await helm({ ...chart, 'chart/templates/web.yaml': template }, { set }))).toContainEqual({
    kind: 'X',
    a: '{x},y=\\z',
    c: 'bool string',
    e: 'dots',
    h: 4,
  })
})

test('values that are not in the repository are refused', async () => {
  expect(messageOf(await helm(chart, { values: ['other.yaml'] }))).toMatch(/^file_not_found/)
  expect(messageOf(await helm(chart, { values: [address] }))).toMatch(/^file_not_found/)
  expect(messageOf(await helm(chart, { values: ['../x'] }))).toMatch(/^path_outside_repo/)
})

test('lookup finds nothing, as there is no cluster to ask', async () => {
  const template = 'kind: X{{ len (lookup "v1" "Namespace" "" "") }}\n'
  expect(objectsIn(await helm({ ...chart, 'chart/templates/web.yaml': template }))).toContainEqual({ kind: 'X0' })
})

test('a program that is missing is named', async () => {
  const without = async <T>(work: () => Promise<T>) => {
    process.env.PATH = folder
    return work().finally(() => {
      process.env.PATH = `${paths.programs}:${paths.before}`
    })
  }
  const built = await inCommit(overlay, (copy) => without(() => buildKustomization(copy, 'k8s', { say, signal })))
  const rendered = await inCommit(chart, (copy) => without(() => renderChart(copy, plain, { say, signal })))
  expect([messageOf(built), messageOf(rendered)]).toEqual([
    expect.stringMatching(/^program_missing: k8s is built by kustomize or kubectl/),
    expect.stringMatching(/^program_missing: chart is built by helm/),
  ])
})

test('a machine that has no time is what is told, not the manifests', async () => {
  const busy = { say, signal, patienceMs: 1 }
  expect(messageOf(await inCommit(overlay, (copy) => buildKustomization(copy, 'k8s', busy)))).toMatch(/^machine_busy/)
  expect(messageOf(await inCommit(chart, (copy) => renderChart(copy, plain, busy)))).toMatch(/^machine_busy/)
})

test('a program sees nothing of our environment, and has an end', async () => {
  const call = { folder: mkdtempSync(join(folder, 'call-')), cwd: folder, signal }
  process.env.TAXIWAY_TEST_TOKEN = 'a-token-of-ours'
  const { stdout } = await runProgram('/usr/bin/env', [], call)
  expect(stdout.toString()).not.toContain('a-token-of-ours')
  expect(stdout.toString()).toContain('KUBECONFIG=/dev/null')
  expect(await runProgram('/bin/sh', ['-c', 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxx; done'], call)).toMatchObject(
    { ended: 'large' },
  )
  const greedy = await runProgram('/usr/bin/tail', ['/dev/zero'], call)
  expect([greedy.exitCode, greedy.stderr]).toEqual([1, expect.stringMatching(/memory exhausted/)])
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('enough')), 200)
  await expect(runProgram('/bin/sleep', ['20'], { ...call, signal: stop.signal })).rejects.toThrow('enough')
})
