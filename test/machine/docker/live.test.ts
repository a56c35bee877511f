import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listContainers, removeContainer } from '@taxiway/docker/container/release-container.ts'
import { connectEngine, type Engine } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { removeNetwork } from '@taxiway/docker/engine/network.ts'
import { serveProxy } from '@taxiway/docker/proxy/serve.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DockerTarget, makeDockerTarget } from '../../../services/deployer/target/docker.ts'
import { deployment, makePlace, makeWork, service, successOf } from '../../contracts/target.ts'
import { makeImages, serving } from '../../world/images.ts'
import { liveScene } from '../../world/live-scene.ts'

let engine: Engine
let folder = ''
let target: DockerTarget
let proxy: ReturnType<typeof serveProxy>
let live: Awaited<ReturnType<typeof liveScene>>
let image = ''
const repos: string[] = []

beforeAll(async () => {
  engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '', stopMs: 1_000 })
  folder = mkdtempSync(join(tmpdir(), 'docker-live-'))
  target = makeDockerTarget({ engine, stateFolder: folder })
  proxy = serveProxy({ engine, folder })
  image = await makeImages().publish('live', serving('live'))
  live = await liveScene(() => target)
  live.watch()
  live.fulfil()
})
afterAll(async () => {
  await live.close()
  for (const repo of repos) {
    for (const { id } of await containersOf(repo)) await removeContainer(engine, id)
    const filters = { label: [`${label.repository}=${repo}`] }
    for (const { Name } of await engine.docker.listNetworks({ filters })) await removeNetwork(engine, Name)
  }
  await proxy.stop()
  rmSync(folder, { recursive: true, force: true })
})

const containersOf = (repo: string) => listContainers(engine, { [label.repository]: repo })
const visit = (url: string) =>
  new Promise<string>((resolve, reject) => {
    get(url, (answer) => {
      answer.setEncoding('utf8')
      let body = ''
      answer.on('data', (chunk) => {
        body += chunk
      })
      answer.on('end', () => resolve(body.trim()))
    }).on('error', reject)
  })

async function release(name: string, replicas = 1) {
  const repo = await live.register(name)
  repos.push(repo)
  const order = makePlace(name, repo).order(image, [deployment({}, { replicas }), service()])
  successOf(await target.dryRun(order, makeWork()))
  successOf(await target.apply(order, makeWork()))
  expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  await live.setLive(order)
  return { repo, order }
}

test('the state of an environment on one machine is told by the same words', async () => {
  const { repo, order } = await release('docker-state', 2)
  const state = await live.until(repo, ({ condition }) => condition === 'healthy')
  expect(state.workloads).toMatchObject([
    { kind: 'Deployment', name: 'web', wanted: 2, ready: 2, images: [image], runId: order.runId, sha: order.sha },
  ])
  expect(state.workloads[0].pods).toMatchObject([{ phase: 'running', restarts: 0 }, { ready: true }])
  const [first] = await containersOf(repo)
  await engine.docker.getContainer(first?.id ?? '').pause()
  const degraded = await live.until(repo, ({ condition }) => condition === 'degraded')
  expect(degraded.workloads[0].pods[0]).toMatchObject({ phase: 'paused', ready: false })
})

test('containers are scaled and restarted by hand, and the proxy follows', async () => {
  const { repo, order } = await release('docker-scale')
  expect(await live.change(repo, 'scale', { workload: 'web', replicas: 3 })).toMatchObject({ state: 'done' })
  expect(await containersOf(repo)).toHaveLength(3)
  await live.until(repo, ({ workloads }) => workloads[0]?.wanted === 3 && workloads[0].ready === 3)
  expect(await live.change(repo, 'scale', { workload: 'web', replicas: 1 })).toMatchObject({ state: 'done' })
  const [one, ...others] = await containersOf(repo)
  expect(others).toEqual([])
  const address = target.address(order.repositoryId, order.environment) ?? ''
  expect(await visit(address)).toBe('live')
  const done = await live.change(repo, 'restart', { workload: 'web' })
  expect(done).toMatchObject({ state: 'done' })
  const [again] = await containersOf(repo)
  expect(again?.id).toBe(one?.id)
  expect(Date.parse(again?.startedAt ?? '')).toBeGreaterThan(Date.parse(one?.startedAt ?? ''))
  await expect.poll(() => visit(address).catch(String), { timeout: 10_000 }).toBe('live')
  const known = { order, generation: order.generation, byHand: { 'Deployment/web': 1 }, drift: 'report' as const }
  successOf(await target.restart(known, { workload: 'Deployment/web', at: done.at }, makeWork()))
  expect((await containersOf(repo))[0]?.startedAt).toBe(again?.startedAt)
})

test('what somebody stopped or removed is started again and noted, and a restart by hand starts what is down', async () => {
  const { repo } = await release('docker-keep', 2)
  await live.until(repo, ({ condition }) => condition === 'healthy')
  const [one, other] = await containersOf(repo)
  await engine.docker.getContainer(one?.id ?? '').stop({ t: 0 })
  await removeContainer(engine, other?.id ?? '')
  const runs = async () => (await containersOf(repo)).map(({ id, state }) => (id === one?.id ? `one ${state}` : state))
  await expect
    .poll(runs, { timeout: 30_000, interval: 200 })
    .toEqual(expect.arrayContaining(['one running', 'running']))
  const notes = async () => (await live.call('GET', `/repos/${repo}/environments/staging/changes`)).body.items
  await expect.poll(notes, { timeout: 10_000 }).toMatchObject([
    {
      kind: 'restart',
      state: 'noted',
      who: 'Taxiway',
      detail: expect.stringMatching(
        /-0 had ended \(exit \d+\), started again; .*-1 was gone, started again|-0 was gone.*-1 had ended/,
      ),
    },
  ])
  for (const { id } of await containersOf(repo)) await engine.docker.getContainer(id).stop({ t: 0 })
  expect(await live.change(repo, 'restart', { workload: 'web' })).toMatchObject({ state: 'done' })
  expect(await runs()).toEqual(expect.arrayContaining(['one running', 'running']))
})
