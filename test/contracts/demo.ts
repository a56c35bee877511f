import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import Docker from 'dockerode'
import { Redis } from 'ioredis'
import { afterAll, afterEach, expect, test } from 'vitest'
import { readMarks } from '../../deploy/demo/mark.ts'
import { eventually } from '../world/world.ts'

const root = resolve(import.meta.dirname, '../..')
/** Somebody else's, whom a demo must not be in the way of. */
const theirs = ['taxiway:runs', 'what-others-keep']

/**
 * The demo passes as often as it is run, also after one that was killed, and leaves nothing behind: on parts that were there before.
 * `namespaces` tells those of demos in the cluster, where there is one.
 */
export function demoContract(target: 'kubernetes' | 'docker', namespaces: () => Promise<string[]>): void {
  const { REDIS_URL = '', DOCKER_HOST = '', TAXIWAY_REGISTRY = '' } = process.env
  const docker = new Docker({ socketPath: DOCKER_HOST.replace(/^unix:\/\//, '') })
  const folder = join(mkdtempSync(join(tmpdir(), 'taxiway-demo-')), 'demo')
  const running: ChildProcess[] = []
  /** Of the demos of this test: others may be played on the same parts. */
  const ids = new Set<string>()
  const installations = new Set<string>()
  const isOurs = (name: string) =>
    [...ids].some((id) => name.includes(`taxiway-demo-${id}`)) ||
    [...installations].some((installation) => name.startsWith(`taxiway-work/${installation}.`))
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL')
  })
  afterAll(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

  /** A demo of the first scene. */
  function demo(...options: string[]) {
    const { KUBECONFIG: _, ...others } = process.env
    const child = spawn(process.execPath, ['deploy/demo.ts', '--scenes', '1', '--folder', folder, ...options], {
      cwd: root,
      env: target === 'kubernetes' ? process.env : others,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.push(child)
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        text += chunk
      })
    return {
      child,
      text: () => text,
      ended: once(child, 'exit'),
      async saying(words: RegExp) {
        await eventually(async () => expect(text).toMatch(words), 120_000)
        for (const { id, installation } of readMarks(join(folder, 'marks'))) {
          ids.add(id)
          installations.add(installation)
        }
      },
    }
  }
  /** Names of all that demos have in the engine, Redis, registry and cluster. */
  async function left(): Promise<string[]> {
    const images = (await docker.listImages()).flatMap((one) => [...(one.RepoTags ?? []), ...(one.RepoDigests ?? [])])
    const containers = await docker.listContainers({ all: true })
    return [
      ...images.filter(isOurs),
      ...containers.filter(({ Image }) => isOurs(Image)).map(({ Names }) => Names.join()),
      ...(await work()),
      ...(await keys()).filter((key) => !theirs.includes(key)),
      ...(await tags()),
      ...(await namespaces()).filter(isOurs),
      ...(existsSync(folder) ? [folder] : []),
    ]
  }
  async function work(): Promise<string[]> {
    const names: string[] = []
    for (const installation of installations) {
      const filters = { label: [`taxiway.installation=${installation}`] }
      names.push(...(await docker.listContainers({ all: true, filters })).map(({ Names }) => Names.join()))
      names.push(...(await docker.listNetworks({ filters })).map(({ Name }) => Name))
      names.push(...((await docker.listVolumes({ filters })).Volumes ?? []).map(({ Name }) => Name))
    }
    return names
  }
  async function keys(): Promise<string[]> {
    const found: string[] = []
    for (let db = 0; db < 16; db++) {
      const redis = new Redis(REDIS_URL, { db })
      found.push(...(await redis.keys('*')))
      redis.disconnect()
    }
    return found
  }
  async function tags(): Promise<string[]> {
    const { repositories } = (await (
      await fetch(`http://${TAXIWAY_REGISTRY}/v2/_catalog?n=1000&last=taxiway-demo`)
    ).json()) as {
      repositories: string[]
    }
    const api = makeRegistryApi(TAXIWAY_REGISTRY, undefined)
    const ours = repositories.filter(isOurs)
    return (await Promise.all(ours.map((name) => api.tags(name)))).flat()
  }

  test('a demo that is killed leaves something, which the next one removes; that one passes and leaves nothing', async () => {
    const redis = new Redis(REDIS_URL)
    await redis.set(theirs[0] as string, 'of a Taxiway that others use')
    await redis.select(1)
    await redis.set(theirs[1] as string, '')
    redis.disconnect()
    const killed = demo()
    await killed.saying(/deploy:production …/)
    killed.child.kill('SIGKILL')
    await killed.ended
    expect(await left()).not.toEqual([])
    const next = demo('--once')
    await next.saying(/Pages/)
    expect(await next.ended, next.text()).toEqual([0, null])
    expect(ids.size).toBe(2)
    expect(next.text()).toMatch(/what it left is removed/)
    expect(next.text()).toMatch(/Pages +http:.*sign in with .*The first push becomes live.*PASS first-push/s)
    expect(await left()).toEqual([])
    expect((await keys()).sort()).toEqual([...theirs].sort())
  }, 300_000)

  test('a demo that is interrupted ends, and leaves nothing', async () => {
    const stopped = demo()
    await stopped.saying(/test …/)
    stopped.child.kill('SIGINT')
    expect(await stopped.ended, stopped.text()).toEqual([130, null])
    expect(await left()).toEqual([])
  }, 300_000)
}
