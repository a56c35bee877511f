import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, kubeconfig } from '../../world/cluster-scene.ts'

const scene = clusterScene()
let place: TestPlace
let first: ReleaseOrder
let prometheus: Server
let url: string
let target: Target
const asked: string[] = []
let tries = 0
let errorRate = '0.2'

beforeAll(async () => {
  place = scene.open('analysis')
  first = place.order(scene.good)
  expect(await scene.roll(first, 60_000)).toMatchObject({ healthy: true })
  prometheus = createServer((request, response) => {
    asked.push(request.url ?? '')
    const data = { resultType: 'vector', result: [{ metric: {}, value: [1, errorRate] }] }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 'success', data }))
  }).listen(0, '127.0.0.1')
  await once(prometheus, 'listening')
  url = `http://127.0.0.1:${(prometheus.address() as AddressInfo).port}`
  target = makeKubernetesTarget(kubeconfig(), { allowedOrigins: [url] })
})
afterAll(() => void prometheus?.close())

/** A release with these measures, up to the switch; then what was before is restored. */
async function measured(measures: Measure[], reference = scene.good, pauseMs = 1_000) {
  const steps = [{ weight: 50, pauseMs }]
  const order: ReleaseOrder = {
    // Each time other pods: without them there is nothing to measure.
    ...place.order(reference, [deployment({ env: [{ name: 'TRY', value: `${++tries}` }] }), service()]),
    strategy: { kind: 'canary', steps, analysis: measures, timeoutMs: 30_000 },
  }
  successOf(await target.dryRun(order, makeWork()))
  const verdict = successOf(await target.advance(order, makeWork(120_000)))
  const generation = place.nextGeneration()
  const restored = await target.restore({ failed: order, previous: first, generation }, makeWork(60_000))
  expect(successOf(restored)).toMatchObject({ complete: true })
  return verdict.healthy ? 'healthy' : verdict.detail
}
const job = (run: string[], timeoutMs = 30_000): Measure => ({
  kind: 'job',
  image: scene.good,
  run,
  env: { WORD: 'hello' },
  timeoutMs,
})

test('the exit code of a job counts, and its last line is told', async () => {
  const reachesPods = 'for pod in $TAXIWAY_PODS; do wget -qO- "http://$pod:8080/"; done | grep one'
  expect(await measured([job([reachesPods, 'test "$WORD" = hello'])])).toBe('healthy')
  expect(await measured([job(['echo checking', 'echo "3 of 10 orders failed" >&2; exit 4', 'echo never'])])).toBe(
    'canary at 50 %: its job failed: exit 4: 3 of 10 orders failed',
  )
  expect(await measured([job(['sleep 600'], 2_000)])).toMatch(/^canary at 50 %: its job failed: /)
  const jobs = (await scene.read(place, '/apis/batch/v1/namespaces/*/jobs')) as unknown as { items: unknown[] }
  expect(jobs.items).toEqual([])
})

test('a value of Prometheus counts, and its server must be allowed', async () => {
  const query = 'sum(rate(errors[1m]))'
  expect(await measured([{ kind: 'prometheus', url, query, max: 0.5 }])).toBe('healthy')
  errorRate = '0.75'
  expect(await measured([{ kind: 'prometheus', url, query, max: 0.5 }])).toBe(
    'canary at 50 %: sum(rate(errors[1m])) is 0.75, at most 0.5 wanted',
  )
  expect(asked).toHaveLength(2)
  const foreign: ReleaseOrder = {
    ...place.order(scene.good),
    strategy: {
      kind: 'blue_green',
      pauseMs: 1,
      analysis: [{ kind: 'prometheus', url: 'http://169.254.169.254', query, max: 1 }],
      timeoutMs: 1,
    },
  }
  const checked = await target.dryRun(foreign, makeWork())
  expect(checked.ok ? '' : checked.reason.code).toBe('url_not_allowed')
})

test('a program that ends while it is watched fails the release, though it is up again by then', async () => {
  const ends =
    'mkdir -p /www && touch /www/healthz && busybox httpd -p 8080 -h /www && sleep 4; echo lost the queue; exit 7'
  const detail = await measured([], await scene.images.publish(`ends-${process.pid}`, ends), 15_000)
  expect(detail).toMatch(/^web: canary at 50 %: it ended while it was watched: .*exit 7/)
})
