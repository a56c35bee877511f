import { mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type ContainerView,
  execProbe,
  removeContainer,
  startContainer,
} from '@taxiway/docker/container/release-container.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { serveProxy } from '@taxiway/docker/proxy/serve.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { targetScene } from './target-scene.ts'

const { engine, folder, images, open, openPlace, containersOf, networksOf, roll, release, address, visit } =
  targetScene()

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

test('the proxy serves on without the target, one that stands by takes over, also after containers changed their addresses', async () => {
  const place = openPlace('restart')
  const own = mkdtempSync(join(folder, 'own-'))
  const first = serveProxy({ engine, folder: own })
  await first.begun
  const order = place.order(images.one)
  const before = open(own)
  expect(await roll(order, 20_000, before)).toMatchObject({ healthy: true })
  const url = address(place, before)
  expect(await visit(url)).toBe('one')
  const second = serveProxy({ engine, folder: own })
  await first.stop()
  await expect.poll(() => visit(url).catch(() => ''), { timeout: 10_000 }).toBe('one')
  const [container] = await containersOf(place)
  await engine.docker.getContainer(container?.id ?? '').kill()
  await expect.poll(() => visit(url).catch(() => ''), { timeout: 10_000 }).toBe('')
  const stranger = await takeAddress(place)
  expect(stranger.ip).toBe(container?.ip)
  await engine.docker.getContainer(container?.id ?? '').start()
  await expect.poll(() => visit(url).catch(() => ''), { timeout: 10_000 }).toBe('one')
  await removeContainer(engine, stranger.id)
  const after = open(own)
  expect(await roll(order, 20_000, after)).toMatchObject({ healthy: true })
  expect(address(place, after)).toBe(url)
  expect((await containersOf(place)).map(({ id }) => id)).toEqual([container?.id])
  await second.stop()
  const work = makeWork()
  successOf(await after.watch(order, work))
  expect(work.lines).toEqual([expect.stringContaining('no proxy answers on this machine')])
})

test('requests go to containers that are ready, and to one that is not any more go none', async () => {
  const place = openPlace('ready')
  await release(place.order(images.one, [deployment({}, { replicas: 2 }), service()]))
  const url = address(place)
  const [one, other] = await containersOf(place)
  const serve = (id = '', command: string) => execProbe(engine, id, ['sh', '-c', command], 5_000)
  await serve(one?.id, 'echo first > /www/index.html; rm /www/healthz')
  await serve(other?.id, 'echo second > /www/index.html')
  const seen = async () => new Set([await visit(url), await visit(url), await visit(url), await visit(url)])
  await expect.poll(seen, { timeout: 15_000 }).toEqual(new Set(['second']))
  await serve(one?.id, 'touch /www/healthz')
  await expect.poll(seen, { timeout: 15_000 }).toEqual(new Set(['first', 'second']))
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
