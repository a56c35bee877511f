import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { successOf } from '../../contracts/target.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST = '', TAXIWAY_REGISTRY } = process.env
const other = `${TAXIWAY_REGISTRY}/taken-${process.pid}/tool`
let world: Awaited<ReturnType<typeof makeWorld>>
let digest: string
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-taken-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/taken-${process.pid}`,
    say: () => {},
  })
  mkdirSync(join(world.tree, 'taken'))
  const engine = connectEngine({ dockerHost: DOCKER_HOST })
  const order = { imageId: 'busybox:stable', repository: other, tag: '17', auth: undefined, deadlineMs: 30_000 }
  const pushed = await pushImage(engine, { ...order, signal: new AbortController().signal })
  digest = successOf(pushed).digest
})
afterAll(() => world?.stop())

const pipeline = JSON.stringify({
  version: 1,
  images: { web: { as: 'ghcr.io/acme/shop' } },
  deploy: { production: { manifests: 'taken', timeout: '30s', soak: '0s' } },
})
const idle = { command: ['sleep', '600'] }
const deployment = (name: string, ...containers: object[]) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    selector: { matchLabels: { a: name } },
    template: { metadata: { labels: { a: name } }, spec: { terminationGracePeriodSeconds: 1, containers } },
  },
})
const service = (type: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type, selector: { a: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
})
const push = (workload: object, type: string, what: string) =>
  world.push(
    {
      '.taxiway.yaml': pipeline,
      'taken/web.yaml': JSON.stringify(workload),
      'taken/service.yaml': JSON.stringify(service(type)),
    },
    what,
  )

test('all that stands against a set is told by one push: the first in the status, all on the run and in its log', async () => {
  const workload = deployment(
    'web',
    { name: 'web', image: 'web', readynessProbe: {}, ...idle },
    { name: 'tool', image: `${other}:17` },
  )
  const { sha, runId } = await push(workload, 'NodePort', 'Many faults')
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  const { more, ...first } = run.reason
  const told = [first, ...more].map(({ code, message }: { code: string; message: string }) => `${code}: ${message}`)
  expect(told).toEqual([
    expect.stringMatching(/^manifest_forbidden: Service\/web in taken\/service\.yaml .*NodePort.*rule nodePorts: true/),
    expect.stringMatching(/^manifest_invalid: Deployment\/web in taken\/web\.yaml: .*did you mean readinessProbe\?/),
    expect.stringMatching(/^image_unresolved: Deployment\/web in taken\/web\.yaml .*have an admin rule images: \["/),
  ])
  const log = await world.taxiway.log(runId)
  for (const { message } of [first, ...more]) expect(log).toContain(message)
  await eventually(async () => {
    const held = Object.values(await world.statuses(sha))
    expect(held.some(({ state, description }) => state === 'failure' && /NodePort/.test(description))).toBe(true)
  }, 15_000)
})

test("the pipeline's images go by any tag and by their other name, another image by what its tag stands for now", async () => {
  const ruled = await world.taxiway.call('PUT', `/repos/${world.repository.id}/environments/production`, {
    images: [other],
  })
  expect(ruled.status).toBeLessThan(300)
  const images = { web: 'web:1.16.0', alias: 'ghcr.io/acme/shop:v2', other: `${other}:17` }
  const items = Object.entries(images).map(([name, image]) => deployment(name, { name: 'one', image, ...idle }))
  const list = { apiVersion: 'v1', kind: 'List', items }
  const { runId } = await push(list, 'ClusterIP', 'Images by tag')
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run.reason?.message ?? run.state).toBe('succeeded')
  const log = await world.taxiway.log(runId)
  const { reference } = run.images[0]
  for (const image of [images.web, images.alias])
    expect(log).toContain(`image ${image} is this pipeline's: ${reference}`)
  expect(log).toContain(`image ${images.other} is ${digest} now`)
})
