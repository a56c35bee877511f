import { randomBytes } from 'node:crypto'
import { connectEngine, ping, version } from '@taxiway/docker/engine/engine.ts'
import { label, objectName, removeRun, sweep, workImage, workLabels, workMark } from '@taxiway/docker/engine/labels.ts'
import { createRunNetwork, removeNetwork } from '@taxiway/docker/engine/network.ts'
import { imageExists } from '@taxiway/docker/image/image.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { expect, test, vi } from 'vitest'
import { startProxy } from '../../faults/proxy.ts'
import { dockerScene } from './docker-scene.ts'

vi.setConfig({ testTimeout: 60_000 })
const { engine, run, owner, build, runs, ours } = dockerScene()

test('the engine answers and says what it is', async () => {
  expect(await ping(engine)).toBe(true)
  expect((await version(engine)).api).toMatch(/^1\.\d+$/)
})

test('a network is made once, taken up again, and removed once', async () => {
  const spec = { name: objectName(owner('network')), labels: workLabels(owner('network')) }
  const made = await createRunNetwork(engine, spec)
  expect(made.ok).toBe(true)
  expect(await createRunNetwork(engine, spec)).toEqual(made)
  await removeNetwork(engine, spec.name)
  await removeNetwork(engine, spec.name)
  expect(await engine.docker.listNetworks({ filters: { name: [spec.name] } })).toEqual([])
})

test('an engine that goes away in the middle of a container or a build is told at once', async () => {
  for (const work of ['container', 'build'] as const) {
    const proxy = await startProxy({ to: { path: new URL(engine.where).pathname } })
    const through = { ...engine, ...connectEngine({ dockerHost: `tcp://127.0.0.1:${proxy.port}` }) }
    const sleeping = `echo begun; sleep 30; echo ${randomBytes(6).toString('hex')}`
    const begun = Promise.withResolvers<void>()
    const onOutput = () => begun.resolve()
    const onLine = ({ text }: { text: string }) => (/^#\d+ begun$/.test(text) ? begun.resolve() : undefined)
    const running =
      work === 'container'
        ? runs('cut', sleeping, { onOutput }, through).then(({ ran }) => ran)
        : build(`FROM busybox:stable\nRUN ${sleeping}\n`, { onLine }, through).then(({ built }) => built)
    await begun.promise
    const startedMs = performance.now()
    await proxy.refuse()
    expect(await running).toMatchObject({ ok: false, reason: { code: 'docker_daemon_restarted' } })
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  }
  expect(await ours()).toContain(objectName(owner('cut')))
  await removeRun(engine, run)
  expect(await ours()).toEqual([])
}, 30_000)

test('a sweep removes what runs left that are over, and nothing else, nor what another Taxiway made', async () => {
  const other = newId<string>('run', randomBytes)
  const step = { run: other, attempt: 2, step: 'unit', repository: 'shop/web' }
  const image = (await build('FROM busybox:stable\nENV SWEPT=1\n', { tags: [workImage(engine, step)] })).built
  const labels = { ...workLabels(step), ...workMark(engine) }
  const create = (name: string, Labels: Record<string, string>) =>
    engine.docker.createContainer({ name, Image: 'busybox:stable', Cmd: ['sleep', '60'], Labels })
  const left = await create(objectName(step), labels)
  await left.start()
  await createRunNetwork(engine, { name: objectName(step), labels: workLabels(step) })
  await engine.docker.createVolume({ Name: objectName(step), Labels: labels })
  // A stranger's container made from an image that copies our labels, and a release of the same run.
  const stranger = await create(`k8s-${other}`, labels)
  const live = await create(`taxiway-live-${other}`, { ...labels, [label.role]: 'release' })
  const keep = (id: string) => id !== other
  expect(image.ok).toBe(true)
  const neighbour = { ...engine, installation: 'ffffffff' }
  expect(await sweep(neighbour, { keep })).toEqual({ containers: 0, networks: 0, volumes: 0, images: 0 })
  // A later attempt of the run goes on with the images.
  const isOpen = (id: string, attempt?: number) => id !== other || attempt === undefined
  expect(await sweep(engine, { keep: isOpen })).toEqual({ containers: 1, networks: 1, volumes: 1, images: 0 })
  expect(await sweep(engine, { keep })).toEqual({ containers: 0, networks: 0, volumes: 0, images: 1 })
  expect(await sweep(engine, { keep })).toEqual({ containers: 0, networks: 0, volumes: 0, images: 0 })
  expect(await imageExists(engine, workImage(engine, step))).toBe(false)
  expect(await imageExists(engine, 'busybox:stable')).toBe(true)
  for (const container of [stranger, live]) {
    expect((await container.inspect()).Id).toBe(container.id)
    await container.remove({ force: true })
  }
}, 30_000)
