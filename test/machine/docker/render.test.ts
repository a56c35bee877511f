import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { renderPrograms } from '../../world/render-programs.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

let world: Awaited<ReturnType<typeof makeWorld>>
let folder: string
const pipeline = (more: string) => `version: 1
images: { web: {} }
deploy:
  production: { namespace: shop, timeout: 30s, soak: 1s, ${more} }
`
const kustomization = {
  'k8s/kustomization.yaml': 'resources: [web.yaml]\npatchesStrategicMerge: [one.yaml]\n',
  'k8s/one.yaml': 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec: { replicas: 1 }\n',
}
const chart = {
  'chart/Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n',
  'chart/templates/web.yaml': `apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }} }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - { name: web, image: web, ports: [{ containerPort: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
`,
  'chart/values.yaml': 'replicas: 2\n',
  'three.yaml': 'replicas: 3\n',
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-render-world-'))
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, PATH } = process.env
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, PATH: `${renderPrograms()}:${PATH}` },
    name: `acme/render-${process.pid}`,
    say: () => {},
  })
  mkdirSync(join(world.tree, 'chart/templates'), { recursive: true })
})
afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function push(files: Record<string, string>) {
  const { runId } = await world.push(files, 'Change how it is rendered')
  const run = await world.taxiway.waitRun(runId, isOver, 120_000)
  return { run, log: await world.taxiway.log(runId) }
}

test.each([
  ['a kustomization', pipeline('manifests: k8s'), kustomization, 1, 'building k8s with kubectl v1.20.0'],
  ['a chart', pipeline('manifests: chart'), chart, 2, 'rendering chart with helm v3.8.1'],
  [
    'a chart with values',
    pipeline('manifests: chart, values: [three.yaml]'),
    {},
    3,
    'rendering chart with helm v3.8.1',
  ],
])('%s becomes live', async (_what, file, files, replicas, line) => {
  const { run, log } = await push({ '.taxiway.yaml': file, ...files })
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  expect(log).toContain(line)
  await eventually(async () => expect(await world.runningDigests()).toHaveLength(replicas), 20_000)
})

test('a kustomization of elsewhere is refused, and what is live stays', async () => {
  const { run } = await push({
    '.taxiway.yaml': pipeline('manifests: k8s'),
    'k8s/kustomization.yaml': 'resources: ["https://example.com/x.yaml"]\n',
  })
  expect(run.reason?.code).toBe('manifest_invalid')
  expect(await world.runningDigests()).toHaveLength(3)
})
