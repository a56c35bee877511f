import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import type { LiveRelease } from '@taxiway/domain/environment/release.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askRegistry } from '../../../services/deployer/order/images.ts'
import { pullHosts } from '../../../services/deployer/order/pulls.ts'
import { render } from '../../../services/deployer/order/render.ts'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { deployment, makeWork, service, successOf } from '../../contracts/target.ts'
import { type Account, makeAccount } from '../../world/account.ts'
import { clusterScene } from '../../world/cluster-scene.ts'
import { account, startPrivateRegistry } from '../../world/private-registry.ts'

const scene = clusterScene()
const place = scene.open('pull')
const bare = scene.open('pull-bare')
const secretPath = '/api/v1/namespaces/*/secrets/taxiway-pull'
let folder: string
let registry: Awaited<ReturnType<typeof startPrivateRegistry>>
let image: string
let giver: Account
let plain: Account
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-pull-'))
  registry = await startPrivateRegistry(join(folder, 'registry'))
  const repository = `${registry.host}/shop/web`
  const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
  const signal = new AbortController().signal
  const pushed = await pushImage(engine, {
    imageId: 'busybox:stable',
    repository,
    tag: 'one',
    auth: account,
    signal,
    deadlineMs: 30_000,
  })
  image = `${repository}@${successOf(pushed).digest}`
  giver = await makeAccount(`taxiway-pull-${process.pid}`, [place.namespace], ['--secrets'])
  plain = await makeAccount(`taxiway-pull-bare-${process.pid}`, [bare.namespace])
})
afterAll(async () => {
  giver?.remove()
  plain?.remove()
  await registry?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const web = () =>
  deployment({ command: ['busybox', 'httpd', '-f', '-p', '8080', '-h', '/etc'], readinessProbe: undefined })

test('pods pull from a private registry by a Secret of their namespace, which follows the credentials, and no log shows them', async () => {
  let auths: Record<string, typeof account> = { [registry.host]: account }
  const target = makeKubernetesTarget({ kubeconfig: giver.kubeconfig }, { registryAuths: async () => auths })
  const objects = [web(), service()]
  const work = makeWork()
  const hosts = successOf(
    await pullHosts(
      { objects, references: [image], hosts: Object.keys(auths), target, namespace: place.namespace },
      work,
    ),
  )
  expect([...hosts]).toEqual([registry.host])
  const { objects: plainObjects, ...order } = place.order(image, objects)
  const rendered = successOf(render(objects, { ...order, references: { web: image }, pullHosts: hosts }))
  const release = { ...order, ...rendered }
  expect(plainObjects).not.toEqual(release.objects)
  successOf(await target.dryRun(release, work))
  successOf(await target.apply(release, work))
  const verdict = successOf(await target.watch(release, { ...work, deadlineMs: 30_000 }))
  expect(verdict.healthy ? 'healthy' : verdict.detail).toBe('healthy')
  const configOf = async () => {
    const secret = (await scene.read(place, secretPath)) as unknown as { type: string; data: Record<string, string> }
    expect(secret.type).toBe('kubernetes.io/dockerconfigjson')
    return JSON.parse(atob(secret.data['.dockerconfigjson'] ?? '')).auths
  }
  expect(await configOf()).toEqual({
    [registry.host]: { ...account, auth: btoa(`${account.username}:${account.password}`) },
  })
  auths = { [registry.host]: { ...account, password: 'the-next-one' } }
  const live = { order: release, generation: release.generation, byHand: {} } as unknown as LiveRelease
  successOf((await target.keepPulling?.(live, work)) ?? { ok: true, value: undefined })
  expect(await configOf()).toMatchObject({ [registry.host]: { password: 'the-next-one' } })
  expect(work.lines.join('\n')).not.toMatch(new RegExp(`${account.password}|the-next-one`))
})

test('an account that may make no Secrets gives none, and says so; nodes pull with what they have', async () => {
  const auths = { [registry.host]: account }
  const target = makeKubernetesTarget({ kubeconfig: plain.kubeconfig }, { registryAuths: async () => auths })
  const work = makeWork()
  const asked = { objects: [web()], references: [image], hosts: [registry.host], target, namespace: bare.namespace }
  expect(successOf(await pullHosts(asked, work)).size).toBe(0)
  expect(work.lines).toEqual([expect.stringContaining('"taxiway cluster rbac --secrets" prints the rights')])
})

test('a tag is resolved with the credentials of its registry, and why it is not has a name', async () => {
  const signal = new AbortController().signal
  const ask = (name: string, auths: Record<string, typeof account>) => askRegistry(async () => auths, signal)(name)
  const [name, digest] = image.split('@')
  expect(await ask(`${name}:one`, { [registry.host]: account })).toEqual({ ok: true, value: digest })
  const codeOf = async (...asked: Parameters<typeof ask>) => {
    const outcome = await ask(...asked)
    return outcome.ok ? 'resolved' : outcome.reason.code
  }
  expect(await codeOf(`${name}:two`, { [registry.host]: account })).toBe('image_not_found')
  expect(await codeOf(`${name}:one`, { [registry.host]: { ...account, password: 'wrong' } })).toBe(
    'registry_auth_failed',
  )
  expect(await codeOf(`${name}:one`, {})).toBe('registry_auth_failed')
  expect(await codeOf('127.0.0.1:1/x/y:one', {})).toBe('registry_unavailable')
})
