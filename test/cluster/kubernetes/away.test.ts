import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { waitFor } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { makePlace, makeWork, successOf, type TestPlace } from '../../contracts/target.ts'
import { apiServer, kubeconfigThrough } from '../../faults/kubeconfig.ts'
import { type FaultProxy, startProxy } from '../../faults/proxy.ts'
import { makeImages, serving } from '../../world/images.ts'

const frozenMs = 11_500
const places: TestPlace[] = []
let folder = ''
let proxy: FaultProxy
let target: Target
let image = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'away-'))
  proxy = await startProxy({ to: apiServer() })
  const path = join(folder, 'kubeconfig')
  writeFileSync(path, kubeconfigThrough(proxy))
  target = makeKubernetesTarget({ kubeconfig: path })
  image = await makeImages().publish('away', serving('away'))
})
afterAll(async () => {
  await proxy.close()
  const direct = connectCluster({ kubeconfig: process.env.KUBECONFIG ?? '' })
  for (const { namespace } of places)
    await direct.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }, waitFor(20_000, makeWork()))
  direct.close()
  rmSync(folder, { recursive: true, force: true })
})
const newOrder = (name: string): ReleaseOrder => {
  const place = makePlace(name)
  places.push(place)
  return place.order(image)
}

test.each(['dryRun', 'apply', 'watch'] as const)(
  'an API that is away at %s is waited for, and it is said',
  async (step) => {
    const order = newOrder(`away-${step.toLowerCase()}`)
    const work = makeWork(40_000)
    for (const name of ['dryRun', 'apply', 'watch'] as const) {
      if (name === step) {
        await proxy.blackHole()
        setTimeout(proxy.pass, frozenMs)
      }
      const outcome = await target[name](order, work)
      expect(outcome).toMatchObject(name === 'watch' ? { value: { healthy: true } } : { ok: true })
    }
    expect(work.lines.filter((line) => line.startsWith('Kubernetes API unreachable for 10 s'))).toHaveLength(1)
  },
)

test('an API that stays away is given up at the deadline, which is kept', async () => {
  const order = newOrder('away-long')
  await proxy.blackHole()
  const begin = performance.now()
  const outcome = await target.dryRun(order, makeWork(3_000))
  await proxy.pass()
  expect(outcome.ok ? undefined : outcome.reason).toEqual({
    code: 'cluster_unavailable',
    message: 'The Kubernetes API did not answer for 3 s.',
  })
  expect(performance.now() - begin).toBeLessThan(4_000)
})

test('connections that break in the middle change nothing', async () => {
  const order = newOrder('cuts')
  const cutting = setInterval(proxy.cut, 150)
  try {
    successOf(await target.dryRun(order, makeWork()))
    successOf(await target.apply(order, makeWork()))
    expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  } finally {
    clearInterval(cutting)
  }
})
