import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { removeContainer } from '@taxiway/docker/container/release-container.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { done } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { makeDockerTarget } from '../../../services/deployer/target/docker.ts'
import { deployment, makePlace, makeWork, service, successOf, targetContract } from '../../contracts/target.ts'
import { targetScene } from './target-scene.ts'

const { engine, folder, images, target, openPlace, containersOf, clear, roll, release, address, visit } = targetScene()

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

/** An image whose CMD comes after an ENTRYPOINT, built and pushed the way a run does it. */
async function publishEntrypoint(): Promise<string> {
  const context = mkdtempSync(join(folder, 'context-'))
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox:stable\nENTRYPOINT ["sh", "-c"]\nCMD ["exit 1"]\n')
  const bounds = { subfolder: '.', dockerfile: 'Dockerfile', maxMb: 1, maxFiles: 10 }
  const packed = successOf(await packContext({ folder: context, ...bounds }))
  const { signal, deadlineMs } = makeWork(60_000)
  const tags = ['taxiway-test/entrypoint:latest']
  const order = { image: 'entrypoint', context: packed, tags, cacheMounts: 'target.test' }
  const build = { ...order, signal, deadlineMs, onLine: () => undefined }
  const { imageId } = successOf(await buildImage(engine, build))
  const repository = `${process.env.TAXIWAY_REGISTRY}/contract/entrypoint`
  const { digest } = successOf(await pushImage(engine, { imageId, repository, tag: 'latest', signal, deadlineMs }))
  await removeImage(engine, tags[0] as string)
  return `${repository}@${digest}`
}

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
})
