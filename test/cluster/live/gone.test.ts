import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { openBell } from '@taxiway/kubernetes/cluster/watch-stream.ts'
import { selectorOf } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { makeWork, successOf } from '../../contracts/target.ts'
import { makeCertificate } from '../../world/certificate.ts'
import { clusterScene, configMap, kubeconfig } from '../../world/cluster-scene.ts'

const gone = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'Expired', code: 410, message: 'too old' }
const scene = clusterScene()
let proxy: Server
let folder = ''
let file = ''
let through: Cluster
/** What the next watches are answered with, before they are passed on. */
let answers: ('refused' | 'broken off')[] = []
/** The queries of all watches. */
let watches: URLSearchParams[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-gone-'))
  const config = parse(readFileSync(kubeconfig().kubeconfig, 'utf8'))
  const { server } = config.clusters[0].cluster
  const pair = makeCertificate()
  proxy = createServer(pair, (asked, answer) => {
    const url = new URL(asked.url ?? '/', server)
    const isWatch = url.searchParams.get('watch') === 'true'
    if (isWatch) watches.push(url.searchParams)
    const instead = isWatch ? answers.shift() : undefined
    if (instead === 'refused')
      return answer.writeHead(410, { 'content-type': 'application/json' }).end(JSON.stringify(gone))
    if (instead === 'broken off') return answer.end(`${JSON.stringify({ type: 'ERROR', object: gone })}\n`)
    const { host: _, ...headers } = asked.headers
    const onward = request(url, { method: asked.method, headers, rejectUnauthorized: false }, (theirs) => {
      answer.writeHead(theirs.statusCode ?? 502, theirs.headers)
      answer.flushHeaders()
      theirs.pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    return asked.pipe(onward)
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  config.clusters[0].cluster = {
    server: `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    'certificate-authority-data': Buffer.from(pair.cert).toString('base64'),
  }
  file = join(folder, 'kubeconfig')
  writeFileSync(file, JSON.stringify(config))
  through = connectCluster({ kubeconfig: file })
})
afterAll(() => {
  through?.close()
  proxy?.closeAllConnections()
  proxy?.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  answers = []
  watches = []
})

test('a watch that ends with 410 rings, and is opened anew from now, however the 410 is told', async () => {
  const place = scene.open('gone')
  const order = place.order(scene.good, [configMap('watched', {})])
  successOf(await scene.target.dryRun(order, makeWork()))
  answers = ['refused', 'broken off']
  const path = `/api/v1/namespaces/${place.namespace}/configmaps`
  const closing = new AbortController()
  const bell = openBell(through, { [path]: selectorOf(order) }, closing.signal)
  try {
    const promptly = async () => {
      const begin = performance.now()
      await bell.rung(20_000)
      expect(performance.now() - begin).toBeLessThan(5_000)
    }
    await promptly()
    await promptly()
    await expect.poll(() => watches.length, { timeout: 5_000 }).toBe(3)
    successOf(await scene.target.apply(order, makeWork()))
    await promptly()
    expect(watches.map((query) => query.get('resourceVersion'))).toEqual([null, null, null])
  } finally {
    bell.close()
    closing.abort()
  }
})

test('a release whose watches all end with 410 becomes live, and its loss of health in the soak is not missed', async () => {
  const place = scene.open('all-gone')
  const dying = await scene.images.publish(
    'gone-dying',
    'mkdir -p /www; touch /www/healthz; busybox httpd -f -p 8080 -h /www & sleep 5; exit 7',
  )
  const order = place.order(dying)
  const target = makeKubernetesTarget({ kubeconfig: file })
  answers = Array.from({ length: 100 }, (_, index) => (index % 2 ? 'refused' : 'broken off'))
  successOf(await target.dryRun(order, makeWork()))
  successOf(await target.apply(order, makeWork()))
  expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  const verdict = successOf(await target.soak(order, 15_000, makeWork(30_000)))
  expect(verdict).toMatchObject({ healthy: false, detail: 'web: did not stay healthy: exit 7' })
  expect(watches.length).toBeGreaterThan(2)
})
