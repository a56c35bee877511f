import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver, type RoleProcess } from '../../world/taxiway.ts'
import { webManifests } from '../../world/web-manifests.ts'
import { eventually, expectRunning } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
let cluster: Cluster
let deployers: RoleProcess[]
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-kubernetes-gates-')),
    target: 'kubernetes',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG, TAXIWAY_LEASE_MS: '4000' },
    name: `acme/gates-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  cluster = connectCluster({ kubeconfig: KUBECONFIG ?? '' })
  deployers = await Promise.all([world.taxiway.start(['deployer']), world.taxiway.start(['deployer'])])
})
afterAll(async () => {
  cluster?.close()
  await world?.stop()
})

const act = (path: string, body: object = {}) =>
  world.taxiway.call('POST', `/repos/${world.repository.id}/environments/production/${path}`, body)
const over = (id: string) => world.taxiway.waitRun(id, isOver, 90_000)
const waits = (id: string, kind: string) => world.taxiway.waitRun(id, ({ waiting }) => waiting?.for === kind, 60_000)

/** A Deployment of one pod, a Service, and what else a version has. */
function push(version: string, { rules = '', more = '' } = {}) {
  const environment = `{ namespace: ${world.namespace}, timeout: 30s, soak: 1s, ${rules} }`
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    `version: 1\nimages: { web: {} }\ndeploy: { production: ${environment} }\n`,
  )
  const manifests = `${webManifests}---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { greeting: "hello from ${version}" }
${more}`
  return world.push({ 'www/index.html': `version ${version}\n`, 'k8s/web.yaml': manifests }, `Say version ${version}`)
}
const configMap = async (name: string) => {
  const wait = { untilMs: performance.now() + 10_000, signal: new AbortController().signal, say: () => {} }
  const path = `/api/v1/namespaces/${world.namespace}/configmaps/${name}`
  const answer = await cluster.call<{ data?: object }>({ method: 'GET', path }, wait)
  expect(answer).toMatchObject({ ok: true })
  return answer.ok && answer.value.status === 200 ? answer.value.body.data : undefined
}
const says = (text: string) => eventually(async () => expect((await world.visit()).trim()).toBe(text), 15_000)

test('a run that waits for an approval outlives every deployer, and two deployers roll it out once', async () => {
  const { runId } = await push('1', { rules: 'approval: required' })
  const parked = await waits(runId, 'approval')
  for (const one of deployers) await one.kill('SIGKILL')
  // Nobody is there: the approval is taken all the same.
  expect(await act('approve', { runId })).toMatchObject({ status: 200 })
  deployers = await Promise.all([world.taxiway.start(['deployer']), world.taxiway.start(['deployer'])])
  const run = await over(runId)
  // No worker was lost, as none held it.
  expect(run).toMatchObject({ state: 'succeeded', attempt: parked.attempt, approvals: [{ environment: 'production' }] })
  expect(run.releases).toHaveLength(1)
  await says('version 1')
  expect(await configMap('settings')).toEqual({ greeting: 'hello from 1' })
})

test('of two who decide at once one decides, and the release is rolled out once or not at all', async () => {
  const { runId } = await push('2', {
    rules: 'approval: required',
    more: '---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra }\ndata: { only: "in 2" }\n',
  })
  await waits(runId, 'approval')
  const answers = await Promise.all(['approve', 'reject', 'approve', 'reject'].map((word) => act(word, { runId })))
  const run = await over(runId)
  const approved = run.state === 'succeeded'
  expect(answers.map(({ status }) => status)).toEqual(approved ? [200, 409, 200, 409] : expect.arrayContaining([200]))
  expect(run.state).toBe(approved ? 'succeeded' : 'cancelled')
  expect(run.releases).toHaveLength(approved ? 1 : 0)
  expect(run.approvals ?? []).toHaveLength(approved ? 1 : 0)
  if (!approved) expect(await over((await push('2', { more: '' })).runId)).toMatchObject({ state: 'succeeded' })
})

test('a gate that a rule closes while deployers are killed opens when the rule is gone', async () => {
  const rule = (rules: object) =>
    world.taxiway.call('PUT', `/repos/${world.repository.id}/environments/production`, rules)
  await rule({ freeze: { reason: 'nobody is here' } })
  const { runId } = await push('3', {
    more: '---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra }\ndata: { only: "in 3" }\n',
  })
  await waits(runId, 'freeze')
  for (const one of deployers) await one.kill('SIGKILL')
  await rule({})
  deployers = await Promise.all([world.taxiway.start(['deployer']), world.taxiway.start(['deployer'])])
  const run = await over(runId)
  expect(run).toMatchObject({ state: 'succeeded' })
  expect(run.releases).toHaveLength(1)
  await says('version 3')
})

test('a rollback brings back every object of the release, and removes what that had not', async () => {
  expect(await configMap('extra')).toEqual({ only: 'in 3' })
  const back = await act('rollback', { generation: 1 })
  expect(back.status).toBe(201)
  const run = await over(back.body.id)
  expect(run).toMatchObject({ state: 'succeeded', event: 'rollback' })
  await says('version 1')
  await expectRunning(world, run)
  expect(await configMap('settings')).toEqual({ greeting: 'hello from 1' })
  expect(await configMap('extra')).toBeUndefined()
  const { live } = (await world.taxiway.call('GET', `/repos/${world.repository.id}/environments/production`)).body
  expect(live).toMatchObject({ repeats: 1, event: 'rollback', runId: run.id })
  expect(await over((await push('4')).runId)).toMatchObject({ state: 'succeeded' })
  await says('version 4')
  expect(await configMap('settings')).toEqual({ greeting: 'hello from 4' })
})

test('a deployer killed in the middle of a rollback is followed by one that ends it', async () => {
  const asked = await act('rollback', { generation: 1 })
  await world.taxiway.waitRun(asked.body.id, ({ releases }) => releases.length > 0, 30_000)
  for (const one of deployers) await one.kill('SIGKILL')
  deployers = [await world.taxiway.start(['deployer'])]
  expect(await over(asked.body.id)).toMatchObject({ state: 'succeeded' })
  await says('version 1')
})
