import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import {
  type ContainerView,
  listContainers,
  removeContainer,
  startContainer,
} from '@taxiway/docker/container/release-container.ts'
import { connectEngine, type Engine } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { removeNetwork } from '@taxiway/docker/engine/network.ts'
import { removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import type { ReleaseOrder, Target } from '@taxiway/domain/environment/target.ts'
import { done } from '@taxiway/domain/reason.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type DockerTarget, makeDockerTarget } from '../../../services/deployer/target/docker.ts'
import {
  deployment,
  makePlace,
  makeWork,
  service,
  successOf,
  type TestPlace,
  targetContract,
} from '../../contracts/target.ts'
import { makeImages, serving } from '../../world/images.ts'

let engine: Engine
let folder = ''
let target: DockerTarget
const images = { one: '', two: '', crash: '', never: '', big: '', missing: '' }
const places: TestPlace[] = []

beforeAll(async () => {
  engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
  folder = mkdtempSync(join(tmpdir(), 'docker-target-'))
  target = open(folder)
  const { publish, missing } = makeImages()
  images.one = await publish('one', serving('one'))
  images.two = await publish('two', `sleep 1; ${serving('two')}`)
  images.crash = await publish('crash', 'sleep 0.3; echo DATABASE_URL missing; exit 1')
  images.never = await publish('never', 'mkdir -p /www && exec busybox httpd -f -p 8080 -h /www')
  images.big = await publish('big', 'exec dd if=/dev/zero of=/dev/null bs=200M')
  images.missing = missing('docker')
})
afterEach(() => Promise.all(places.splice(0).map(clear)))
afterAll(async () => {
  await target.close()
  rmSync(folder, { recursive: true, force: true })
})

const open = (stateFolder: string) => makeDockerTarget({ engine, stateFolder })
function openPlace(name: string): TestPlace {
  const place = makePlace(name)
  places.push(place)
  return place
}
const containersOf = (place: { repositoryId: string }) =>
  listContainers(engine, { [label.repository]: place.repositoryId })
const networksOf = async (place: { repositoryId: string }): Promise<string[]> =>
  (await engine.docker.listNetworks({ filters: { label: [`${label.repository}=${place.repositoryId}`] } })).map(
    ({ Name }) => Name,
  )
async function clear(place: { repositoryId: string }): Promise<void> {
  for (const { id } of await containersOf(place)) await removeContainer(engine, id)
  for (const name of await networksOf(place)) await removeNetwork(engine, name)
}
async function roll(order: ReleaseOrder, deadlineMs = 20_000, by: Target = target) {
  successOf(await by.dryRun(order, makeWork()))
  successOf(await by.apply(order, makeWork()))
  return successOf(await by.watch(order, makeWork(deadlineMs)))
}
async function release(order: ReleaseOrder): Promise<void> {
  expect(await roll(order)).toMatchObject({ healthy: true })
  successOf(await target.prune(order, makeWork()))
}
const address = (place: TestPlace, by = target) => by.address(place.repositoryId, place.environment) ?? 'http://none'
const visit = (url: string) =>
  new Promise<string>((resolve, reject) => {
    const asked = get(url, { agent: false, timeout: 5_000 }, async (answer) => {
      let body = ''
      for await (const chunk of answer) body += chunk
      if (answer.statusCode === 200) resolve(body.trim())
      else reject(new Error(`${answer.statusCode} ${body}`))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 5 s')))
    asked.on('error', reject)
  })
/** An image whose CMD comes after an ENTRYPOINT, built and pushed the way a run does it. */
async function publishEntrypoint(): Promise<string> {
  const context = mkdtempSync(join(folder, 'context-'))
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox:stable\nENTRYPOINT ["sh", "-c"]\nCMD ["exit 1"]\n')
  const bounds = { subfolder: '.', dockerfile: 'Dockerfile', maxMb: 1, maxFiles: 10 }
  const packed = successOf(await packContext({ folder: context, ...bounds }))
  const { signal, deadlineMs } = makeWork(60_000)
  const tags = ['taxiway-test/entrypoint:latest']
  const build = { image: 'entrypoint', context: packed, tags, signal, deadlineMs, onLine: () => undefined }
  const { imageId } = successOf(await buildImage(engine, build))
  const repository = `${process.env.TAXIWAY_REGISTRY}/contract/entrypoint`
  const { digest } = successOf(await pushImage(engine, { imageId, repository, tag: 'latest', signal, deadlineMs }))
  await removeImage(engine, tags[0] as string)
  return `${repository}@${digest}`
}

/** Starts a server of somebody else's on the network of a place: the engine hands out the lowest free address. */
async function takeAddress(place: TestPlace): Promise<ContainerView> {
  const [network = ''] = await networksOf(place)
  const name = `${place.namespace}-stranger`
  const labels = { [label.repository]: place.repositoryId }
  const limits = { memoryMb: 64, cpus: 1, pids: 64 }
  return successOf(
    await startContainer(engine, { name, image: images.two, labels, network, ...limits }, makeWork().signal),
  )
}

targetContract('docker', {
  async open() {
    // The dry run finds an image that is nowhere; the contract is about one that goes missing after it.
    const lenient: Target['dryRun'] = async (order, work) => {
      const outcome = await target.dryRun(order, work)
      return !outcome.ok && outcome.reason.code === 'image_not_found' ? done(undefined) : outcome
    }
    return { ...target, dryRun: lenient }
  },
  close: clear,
})

test('no request fails while the next release takes over, and the old containers are gone after it', async () => {
  const place = openPlace('rolling')
  const twice = [deployment({}, { replicas: 2 }), service()]
  const first = place.order(images.one, twice)
  expect(await roll(first)).toEqual({ healthy: true, ready: '2 of 2 ready' })
  const url = address(place)
  expect(await visit(url)).toBe('one')
  const seen: string[] = []
  let isOver = false
  const asked: Promise<void>[] = []
  const polling = (async () => {
    while (!isOver) {
      asked.push(
        visit(url).then(
          (body) => void seen.push(body),
          (error) => void seen.push(`failed: ${error.message}`),
        ),
      )
      await sleep(20)
    }
  })()
  const second = place.order(images.two, twice)
  await release(second)
  await sleep(300)
  isOver = true
  await polling
  await Promise.all(asked)
  expect(seen.filter((body) => body.startsWith('failed'))).toEqual([])
  expect(seen.length).toBeGreaterThan(50)
  expect([seen[0], seen.at(-1)]).toEqual(['one', 'two'])
  expect(seen.lastIndexOf('one')).toBeLessThan(seen.lastIndexOf('two'))
  expect(address(place)).toBe(url)
  const running = await containersOf(place)
  expect(running.map(({ image }) => image)).toEqual([images.two, images.two])
  expect(running.map(({ labels }) => [labels[label.run], labels[label.generation]])).toEqual(
    running.map(() => [second.runId, String(second.generation)]),
  )
})

test('a release that crashes is explained, the old one serves all the while, and newer ones still compare', async () => {
  const place = openPlace('crash')
  const good = place.order(images.one)
  await release(good)
  const before = await containersOf(place)
  const bad = place.order(images.crash)
  expect(await roll(bad)).toMatchObject({
    healthy: false,
    detail: 'web: crash loop, exit 1: DATABASE_URL missing',
    explanation: { cause: 'crash', exitCode: 1 },
  })
  expect(await visit(address(place))).toBe('one')
  const generation = place.nextGeneration()
  const restored = successOf(await target.restore({ failed: bad, previous: good, generation }, makeWork()))
  expect(restored).toEqual({ complete: true, detail: `rolled back to ${good.sha.slice(0, 7)}` })
  expect(await visit(address(place))).toBe('one')
  expect((await containersOf(place)).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
  expect(successOf(await target.live(good, makeWork()))).toEqual({ generation, runId: good.runId })
  expect(await target.apply(bad, makeWork())).toMatchObject({ ok: false, reason: { code: 'stale_generation' } })
  await release(place.order(images.two))
  expect(await visit(address(place))).toBe('two')
})

test.each([
  { kind: 'canary' as const, steps: [{ weight: 50, pauseMs: 1 }] },
  { kind: 'blue_green' as const, pauseMs: 1 },
])('steps before the switch are refused, not left out: $kind', async (strategy) => {
  const order = { ...openPlace('steps').order(images.one), strategy: { ...strategy, analysis: [], timeoutMs: 1 } }
  const checked = await target.dryRun(order, makeWork())
  expect(checked.ok ? '' : checked.reason).toMatchObject({ code: 'manifest_unsupported' })
  expect(!checked.ok && checked.reason.message).toContain(`deploy.staging.${strategy.kind}`)
})

test('a release that never gets ready says what its probe answered', async () => {
  const order = openPlace('never').order(images.never)
  expect(await roll(order, 3_000)).toMatchObject({
    healthy: false,
    detail: 'web: never ready: readiness probe GET :8080/healthz answered 404',
    explanation: { cause: 'not_ready' },
  })
})

test('a release that needs more memory than its limit says so', async () => {
  const limited = deployment({ resources: { limits: { memory: '24Mi', cpu: '500m' } } })
  const order = openPlace('memory').order(images.big, [limited])
  expect(await roll(order)).toMatchObject({
    healthy: false,
    detail: 'web: out of memory, its limit is 24 MB',
    explanation: { cause: 'out_of_memory', exitCode: 137 },
  })
})

test('a program that the image does not have is the verdict, not a fault', async () => {
  const verdict = await roll(openPlace('program').order(images.one, [deployment({ workingDir: '/etc/passwd' })]))
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: can't start: .*not a directory/)
})

test('a first release that fails leaves nothing behind', async () => {
  const place = openPlace('first')
  const order = place.order(images.crash)
  expect(await roll(order)).toMatchObject({ healthy: false })
  const restoring = { failed: order, previous: undefined, generation: place.nextGeneration() }
  expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect(await containersOf(place)).toEqual([])
  expect(await networksOf(place)).toEqual([])
  expect(target.address(place.repositoryId, place.environment)).toBeUndefined()
})

test('an earlier release whose containers are gone is started again', async () => {
  const place = openPlace('gone')
  const good = place.order(images.one)
  await release(good)
  const bad = place.order(images.crash)
  await roll(bad)
  for (const { id, image } of await containersOf(place)) if (image === images.one) await removeContainer(engine, id)
  await expect.poll(() => visit(address(place)).catch(String), { timeout: 15_000 }).toContain('503')
  const restoring = { failed: bad, previous: good, generation: place.nextGeneration() }
  expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect(await visit(address(place))).toBe('one')
  expect((await containersOf(place)).map(({ image }) => image)).toEqual([images.one])
})

test('another process serves what was live on the same port, also after containers changed their addresses', async () => {
  const place = openPlace('restart')
  const own = mkdtempSync(join(folder, 'own-'))
  const before = open(own)
  await before.open()
  const order = place.order(images.one)
  expect(await roll(order, 20_000, before)).toMatchObject({ healthy: true })
  const url = address(place, before)
  await before.close()
  await expect(visit(url)).rejects.toThrow()
  const after = open(own)
  await after.open()
  expect(address(place, after)).toBe(url)
  expect(await visit(url)).toBe('one')
  const [container] = await containersOf(place)
  await engine.docker.getContainer(container?.id ?? '').kill()
  await expect.poll(() => visit(url).catch(() => ''), { timeout: 10_000 }).toBe('')
  const stranger = await takeAddress(place)
  expect(stranger.ip).toBe(container?.ip)
  await engine.docker.getContainer(container?.id ?? '').start()
  await expect.poll(() => visit(url).catch(() => ''), { timeout: 10_000 }).toBe('one')
  await removeContainer(engine, stranger.id)
  expect(await roll(order, 20_000, after)).toMatchObject({ healthy: true })
  expect((await containersOf(place)).map(({ id }) => id)).toEqual([container?.id])
  await after.close()
})

test('a service that is no longer there loses its proxy, and its neighbour keeps its port', async () => {
  const place = openPlace('services')
  const admin = { ...service(), metadata: { name: 'admin' } }
  await release(place.order(images.one, [deployment(), service(), admin]))
  const known = () =>
    Object.entries(JSON.parse(readFileSync(join(folder, 'docker-target.json'), 'utf8')).services)
      .filter(([key]) => key.startsWith(place.repositoryId))
      .map(([key, value]) => [key.split('/')[2], `http://127.0.0.1:${(value as { port: number }).port}`])
  const two = Object.fromEntries(known())
  expect([await visit(two.web), await visit(two.admin)]).toEqual(['one', 'one'])
  await release(place.order(images.two))
  expect(Object.fromEntries(known())).toEqual({ web: two.web })
  expect(await visit(two.web)).toBe('two')
  await expect(visit(two.admin)).rejects.toThrow('ECONNREFUSED')
})

test('variables come from the manifest and its config maps, and neighbours are found by the name of their service', async () => {
  const place = openPlace('env')
  const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { GREETING: 'hello' } }
  const container = {
    envFrom: [{ configMapRef: { name: 'settings' } }],
    env: [
      { name: 'WHO', valueFrom: { configMapKeyRef: { name: 'settings', key: 'GREETING' } } },
      { name: 'LINE', value: '$(GREETING) $(WHO) $$(NO)' },
    ],
    command: ['sh', '-c'],
    args: ['mkdir /www; echo "$LINE" > /www/index.html; exec busybox httpd -f -p 8080 -h /www'],
    readinessProbe: { exec: { command: ['wget', '-q', '-O', '/dev/null', 'http://front:8080/'] }, periodSeconds: 1 },
  }
  const front = { ...service(), metadata: { name: 'front' } }
  await release(place.order(images.one, [config, deployment(container), front]))
  expect(await visit(address(place))).toBe('hello hello $(NO)')
})

test('a newer release ends the watch of an older one, which can never take over', async () => {
  const place = openPlace('newer')
  const older = place.order(images.never)
  successOf(await target.apply(older, makeWork()))
  const watching = target.watch(older, makeWork())
  const newer = place.order(images.two)
  await release(newer)
  expect(await watching).toMatchObject({ ok: false, reason: { code: 'stale_generation' } })
  for (const late of [await target.apply(older, makeWork()), await target.watch(older, makeWork())])
    expect(late).toMatchObject({ ok: false, reason: { code: 'stale_generation' } })
  expect((await containersOf(place)).map(({ image }) => image)).toEqual([images.two])
})

test('the dry run finds an image that is nowhere, and says what is left out', async () => {
  const work = makeWork()
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'web' } }
  const outcome = await target.dryRun(makePlace('missing').order(images.missing, [deployment(), ingress]), work)
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'image_not_found' } })
  expect(work.lines).toEqual(['Ingress/web: ignored, it means nothing on one machine'])
})

test('a command that would replace the entrypoint of its image is refused, arguments are not', async () => {
  const place = openPlace('entrypoint')
  const entry = await publishEntrypoint()
  const ordered = place.order(entry, [deployment({ command: ['true'] })])
  expect(await target.apply(ordered, makeWork())).toMatchObject({ reason: { code: 'manifest_unsupported' } })
  const script = 'exec busybox httpd -f -p 8080'
  const probe = { readinessProbe: { tcpSocket: { port: 8080 } } }
  await release(place.order(entry, [deployment({ args: [script], ...probe })]))
})

test('an engine that is away is a reason', async () => {
  const away = makeDockerTarget({ engine: connectEngine({ dockerHost: 'unix:///nowhere.sock' }), stateFolder: folder })
  const order = makePlace('away').order(images.one)
  const work = makeWork(5_000)
  const outcomes = [await away.dryRun(order, work), await away.apply(order, work), await away.watch(order, work)]
  for (const outcome of outcomes) expect(outcome).toMatchObject({ ok: false, reason: { code: 'docker_unavailable' } })
  await away.close()
})
