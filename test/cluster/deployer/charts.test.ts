import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { successOf } from '../../contracts/target.ts'
import { kubeconfig, wait } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { renderPrograms } from '../../world/render-programs.ts'
import { isOver } from '../../world/taxiway.ts'

let world: Awaited<ReturnType<typeof makeWorld>>
let cluster: Cluster
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-charts-'))
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG, PATH } = process.env
  world = await makeWorld({
    folder,
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG, PATH: `${renderPrograms()}:${PATH}` },
    target: 'kubernetes',
    name: `acme/charts-${process.pid}`,
    say: () => {},
  })
  for (const part of ['templates', 'crds']) mkdirSync(join(world.tree, 'chart', part), { recursive: true })
  cluster = connectCluster(kubeconfig())
})
afterAll(async () => {
  await world?.stop()
  cluster?.close()
  rmSync(folder, { recursive: true, force: true })
})

const get = async <Body = KubeObject>(path: string) =>
  successOf(
    await cluster.call<Body>({ method: 'GET', path: path.replace('*', `namespaces/${world.namespace}`) }, wait()),
  ).body
const jobs = async () =>
  (await get<{ items: KubeObject[] }>('/apis/batch/v1/*/jobs')).items
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata }) => metadata.labels?.['taxiway.dev/job'])
    .sort()
async function push(files: Record<string, string>) {
  const { runId } = await world.push(files, 'Change what is rolled out')
  const run = await world.taxiway.waitRun(runId, isOver, 120_000)
  return { run, told: [run.state, run.reason?.message], log: await world.taxiway.log(runId) }
}

const pipeline = (more: string) => `version: 1
images: { web: {} }
deploy:
  production: { namespace: ${world.namespace}, timeout: 60s, soak: 0s, ${more} }
`
const dockerfile = 'FROM busybox:stable\nCMD ["sh", "-c", "trap exit TERM; sleep 1000 & wait"]\n'
const deployment = (volumes = '', more = '', image = 'web') => `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: &labels { app: web }
spec:
  selector: { matchLabels: { <<: *labels } }
  template:
    metadata: { labels: *labels }
    spec:
      terminationGracePeriodSeconds: 1
      ${volumes}
      containers: [{ name: web, image: ${image}${more} }]
`
const hook = (name: string, when: string, script: string, more = '') => `---
apiVersion: batch/v1
kind: Job
metadata:
  name: ${name}
  annotations: { "helm.sh/hook": "${when}"${more} }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: m, image: web, command: [sh, -c, "${script}"], envFrom: [{ configMapRef: { name: early } }] }]
`
const chart = (setup: string) => ({
  Dockerfile: dockerfile,
  '.taxiway.yaml': pipeline(
    'manifests: chart, set: { greeting: "hello, {you}", nested.count: 3 }, images: { web: [image.repository, image.digest, whole] }',
  ),
  'chart/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 0.1.0\n',
  'chart/crds/x.yaml': `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: xs.example.com }
spec: { group: example.com, names: { kind: X, plural: xs }, scope: Namespaced, versions: [{ name: v1 }] }
`,
  'chart/templates/web.yaml': `${deployment('', '', '"{{ .Values.image.repository }}:1.0"')}---
apiVersion: v1
kind: ConfigMap
metadata: { name: told }
data:
  release: "{{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.IsUpgrade }}"
  values: "{{ .Values.greeting }} {{ add .Values.nested.count 1 }}"
  image: "{{ .Values.image.repository }}@{{ .Values.image.digest }} {{ .Values.whole }}"
  knows: '{{ .Capabilities.APIVersions.Has "events.k8s.io/v1/Event" }} {{ .Capabilities.APIVersions.Has "example.com/v1" }}'
`,
  'chart/templates/hooks.yaml': [
    `apiVersion: v1
kind: ConfigMap
metadata: { name: early, annotations: { "helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-weight": "-1" } }
data: { WORDS: set up }
`,
    hook('setup', 'pre-install', setup),
    hook('migrate', 'pre-install,pre-upgrade', 'echo migrated', ', "helm.sh/hook-delete-policy": hook-succeeded'),
    hook('warm', 'post-upgrade', 'echo warmed'),
    hook('ping', 'test', 'exit 9'),
    hook('drop', 'pre-delete', 'exit 9'),
  ].join(''),
})

test('hooks of a chart run as jobs where Helm would run them; what is left out is told', async () => {
  const failed = await push(chart('echo setting up; exit 3'))
  expect(failed.told).toEqual([
    'failed',
    expect.stringMatching(/^Job setup failed, so nothing was switched: exit 3: setting up/),
  ])
  expect(failed.run.notes).toMatchObject([{ code: 'chart_left_out' }])
  expect(failed.run.notes[0].message).toMatch(
    /^Of chart chart is left out: CustomResourceDefinition\/xs\.example\.com.*; Job\/drop \(pre-delete\)\./,
  )

  expect(failed.log).toContain('hook Job/ping (test) is for helm test, and no part of a release')

  const first = await push(chart('echo $WORDS'))
  expect(first.told).toEqual(['succeeded', undefined])
  expect(first.run.jobs).toMatchObject([
    { name: 'migrate', when: 'before', state: 'passed' },
    { name: 'setup', when: 'before', state: 'passed' },
  ])
  expect(first.log).toContain('setup | set up')
  expect((await get('/api/v1/*/configmaps/told')).data).toEqual({
    release: expect.stringMatching(new RegExp(`^charts-\\d+ ${world.namespace} false$`)),
    values: 'hello, {you} 4',
    image: `${first.run.images[0].reference} ${first.run.images[0].reference}`,
    knows: 'true false',
  })
  expect(await get('/apis/apps/v1/*/deployments/web')).toMatchObject({
    spec: { template: { spec: { containers: [{ image: first.run.images[0].reference }] } } },
  })
  expect(await jobs()).toEqual(['setup'])

  const second = await push({ 'www/new': 'x' })
  expect(second.told).toEqual(['succeeded', undefined])
  expect(second.run.jobs).toMatchObject([
    { name: 'migrate', when: 'before', state: 'passed' },
    { name: 'warm', when: 'after_live', state: 'passed' },
  ])
  expect((await get('/api/v1/*/configmaps/told')).data).toMatchObject({ release: expect.stringMatching(/ true$/) })
  expect(await jobs()).toEqual(['warm'])
})

test('manifests come as people have them: octal modes, merge keys, JSON, and a ConfigMap of 300 KB', async () => {
  const mounted = ', volumeMounts: [{ name: conf, mountPath: /conf }]'
  const { told, log } = await push({
    '.taxiway.yaml': pipeline('manifests: k8s, prune: all'),
    'k8s/web.yaml': deployment('volumes: [{ name: conf, configMap: { name: conf, defaultMode: 0400 } }]', mounted),
    'k8s/conf.json':
      '{\n\t"apiVersion": "v1",\n\t"kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"A": "b"}}',
    'k8s/dash.yaml': `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: dash }\ndata:\n  a.json: |\n${'    [1, 2, 3]\n'.repeat(26_000)}`,
    'k8s/web.yaml.tpl': '{{ not yaml',
  })
  expect(told).toEqual(['succeeded', undefined])
  expect(log).toContain('not read as manifests, which end in .yaml, .yml or .json: k8s/web.yaml.tpl')
  expect(await get('/apis/apps/v1/*/deployments/web')).toMatchObject({
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: { spec: { volumes: [{ configMap: { defaultMode: 0o400 } }] } },
    },
  })
  expect((await get('/api/v1/*/configmaps/conf')).data).toEqual({ A: 'b' })
})
