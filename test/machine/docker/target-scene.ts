import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listContainers, removeContainer } from '@taxiway/docker/container/release-container.ts'
import { connectEngine, type Engine } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { removeNetwork } from '@taxiway/docker/engine/network.ts'
import { serveProxy } from '@taxiway/docker/proxy/serve.ts'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { makeDockerTarget } from '../../../services/deployer/target/docker.ts'
import { makePlace, makeWork, successOf, type TestPlace } from '../../contracts/target.ts'
import { makeImages, serving } from '../../world/images.ts'

/** A docker target with its proxy, images for it, and places that are cleared after each test. What is stopped is killed a second later. */
export function targetScene() {
  const engine: Engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '', stopMs: 1_000 })
  const folder = mkdtempSync(join(tmpdir(), 'docker-target-'))
  const images = { one: '', two: '', crash: '', never: '', big: '', missing: '' }
  const places: TestPlace[] = []
  const open = (stateFolder: string) => makeDockerTarget({ engine, stateFolder })
  const target = open(folder)
  const proxy = serveProxy({ engine, folder })
  beforeAll(async () => {
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
    await proxy.stop()
    rmSync(folder, { recursive: true, force: true })
  })

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
  return {
    engine,
    folder,
    images,
    target,
    open,
    openPlace,
    containersOf,
    networksOf,
    clear,
    roll,
    release,
    address,
    visit,
  }
}
