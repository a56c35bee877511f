import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '@taxiway/chassis/config.ts'
import { readKubeconfig } from '@taxiway/domain/cluster/kubeconfig.ts'
import { newId, type RepositoryId } from '@taxiway/domain/ids.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import { makeClusterAccesses } from '@taxiway/store/access/cluster-access.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore, type Store } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { startRedis } from '../../../deploy/local/redis.ts'
import { choosePlace } from '../../../services/deployer/order/place.ts'
import { makeTargets, type Targets } from '../../../services/deployer/target/open.ts'
import { makeWork, successOf } from '../../contracts/target.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-places-'))
let redis: Awaited<ReturnType<typeof startRedis>>
let store: Store
let targets: Targets
beforeAll(async () => {
  redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  const config = readConfig({ ...process.env, REDIS_URL: redis.address, TAXIWAY_DATA: folder })
  store = openStore(config)
  await waitReady(store.redis, 5000)
  const accesses = makeClusterAccesses(store.redis, config.secretKey)
  targets = makeTargets({ config, store, accesses, connect: () => Promise.reject(new Error('no engine here')) })
})
afterAll(async () => {
  await store.close()
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function register(name: string, deploy: Repository['deploy'] = {}): Promise<Repository> {
  const id = newId<RepositoryId>('repo', randomBytes)
  const url = `https://git.example.com/acme/${name}.git`
  const createdAt = new Date().toISOString()
  const repository: Repository = { id, host: 'github', name: `acme/${name}`, url, apiUrl: url, deploy, createdAt }
  return successOf(await store.repositories.add(repository, { webhookSecret: 'x' }))
}
const choose = ({ id }: Repository, namespace: string, name = 'production') => {
  const environment = { name, namespace, isNamespaceGiven: true, manifests: 'k8s', timeoutMs: 1000 }
  return choosePlace({ store, targets }, id, environment, makeWork())
}
const codeOf = (outcome: Awaited<ReturnType<typeof choose>>) => (outcome.ok ? 'chosen' : outcome.reason.code)

test('a namespace belongs to the repository that came first, for all of its environments', async () => {
  const [one, two] = [await register('one'), await register('two')]
  expect(codeOf(await choose(one, 'first'))).toBe('chosen')
  expect(codeOf(await choose(one, 'first', 'staging'))).toBe('chosen')
  const taken = await choose(two, 'first')
  expect(codeOf(taken)).toBe('namespace_taken')
  expect(taken.ok ? '' : taken.reason.message).toContain(`environment production of repository ${one.id}`)
})

test('of many that come at the same time one gets it', async () => {
  const repositories = await Promise.all(Array.from({ length: 8 }, (_, index) => register(`many-${index}`)))
  const codes = (await Promise.all(repositories.map((repository) => choose(repository, 'many')))).map(codeOf)
  expect(codes.filter((code) => code === 'chosen')).toHaveLength(1)
  expect(codes.filter((code) => code === 'namespace_taken')).toHaveLength(7)
})

test('an admin lets another in by a rule or by its settings, and it sees none of the Secrets there', async () => {
  const [owner, guest] = [await register('owner'), await register('guest')]
  successOf(await choose(owner, 'shared'))
  await store.environments.setRules(guest.id, 'production', { namespace: 'shared' })
  expect(successOf(await choose(guest, 'shared'))).toMatchObject({ namespace: 'shared', isShared: true })
  expect(codeOf(await choose(guest, 'elsewhere'))).toBe('namespace_not_allowed')
  const settled = await register('settled', { namespace: 'shared' })
  expect(successOf(await choose(settled, 'shared'))).toMatchObject({ isShared: true })
  expect(successOf(await choose(owner, 'shared'))).toMatchObject({ isShared: false })
})

test('the same cluster under another name is the same cluster', async () => {
  const access = successOf(readKubeconfig(parse(readFileSync(process.env.KUBECONFIG ?? '', 'utf8'))))
  await store.clusters.save('again', await store.clusters.seal('again', access))
  const [owner, other] = [await register('before'), await register('by-name', { cluster: 'again' })]
  successOf(await choose(owner, 'one-cluster'))
  expect(codeOf(await choose(other, 'one-cluster'))).toBe('namespace_taken')
  expect(successOf(await choose(other, 'another'))).toMatchObject({ cluster: 'again' })
})

test('what a repository owned is free once the repository is removed', async () => {
  const [owner, next] = [await register('removed'), await register('next')]
  successOf(await choose(owner, 'left'))
  expect(codeOf(await choose(next, 'left'))).toBe('namespace_taken')
  await store.repositories.remove(owner)
  expect(codeOf(await choose(next, 'left'))).toBe('chosen')
  expect(codeOf(await choose(await register('late'), 'left'))).toBe('namespace_taken')
})

test('nothing goes to a cluster that nobody registered, nor to the namespaces of the cluster itself', async () => {
  expect(codeOf(await choose(await register('lost', { cluster: 'nowhere' }), 'lost'))).toBe('target_unavailable')
  expect(codeOf(await choose(await register('bold'), 'kube-system'))).toBe('namespace_not_allowed')
})
