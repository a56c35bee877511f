import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, afterEach, beforeEach } from 'vitest'
import { exampleOrder } from '../../world/order.ts'
import { account, startPrivateRegistry } from '../../world/private-registry.ts'

export const dayMs = 24 * 3_600_000
export const registryOf = (host: string) => ({ prefix: host, user: account.username, password: account.password })

/** What tests of pruning share: a store whose clock they set, two registries, and a repository of each test. */
export async function pruneScene() {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-prune-'))
  const registry = await startPrivateRegistry(join(folder, 'open'))
  const closed = await startPrivateRegistry(join(folder, 'closed'), { password: false, deletes: false })
  const store = openStore({
    redisUrl: process.env.REDIS_URL ?? '',
    secretKey: randomBytes(32),
    now: () => new Date(scene.now),
  })
  await waitReady(store.redis, 5000)
  const told: string[] = []
  const tell = (...said: unknown[]) => void told.push(String(said.at(-1)))
  const logger = { info: tell, warn: tell } as never
  const scene = {
    folder,
    registry,
    closed,
    store,
    told,
    logger,
    repo: '' as RepositoryId,
    name: '',
    now: Date.now(),
    put,
    isThere,
    endedRun,
    release,
  }
  beforeEach(async () => {
    scene.repo = newId<RepositoryId>('repo', randomBytes)
    scene.name = `acme/${scene.repo.slice(5, 15)}`
    const { repo: id, name } = scene
    const urls = { url: `https://git.example.com/${name}.git`, apiUrl: 'https://git.example.com/api/v3' }
    const createdAt = new Date(scene.now).toISOString()
    await store.repositories.add({ id, host: 'github', name, ...urls, deploy: {}, createdAt }, { webhookSecret: 's' })
    told.length = 0
  })
  afterEach(async () => {
    await store.redis.flushall()
    scene.now = Date.now()
  })
  afterAll(async () => {
    await store.close()
    await Promise.all([registry.stop(), closed.stop()])
    rmSync(folder, { recursive: true, force: true })
  })

  /** Puts a small image of its own into a registry. */
  async function put(host: string, tag: string, content: string): Promise<Digest> {
    const basic = Buffer.from(`${account.username}:${account.password}`).toString('base64')
    const headers = { authorization: `Basic ${basic}` }
    const base = `http://${host}/v2/${scene.name}/web`
    const config = JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Labels: { content } } })
    const digest = `sha256:${createHash('sha256').update(config).digest('hex')}`
    const upload = await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers })
    const place = new URL(upload.headers.get('location') ?? '', base)
    place.searchParams.set('digest', digest)
    await fetch(place, { method: 'PUT', headers, body: config })
    const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
    const manifest = {
      schemaVersion: 2,
      mediaType,
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest },
      layers: [],
    }
    const types = { ...headers, 'content-type': mediaType }
    const done = await fetch(`${base}/manifests/${tag}`, {
      method: 'PUT',
      headers: types,
      body: JSON.stringify(manifest),
    })
    return done.headers.get('docker-content-digest') as Digest
  }

  /** Is the image in the registry? */
  async function isThere(host: string, reference: string): Promise<boolean> {
    const basic = Buffer.from(`${account.username}:${account.password}`).toString('base64')
    const accept = 'application/vnd.docker.distribution.manifest.v2+json'
    const headers = { authorization: `Basic ${basic}`, accept }
    return (await fetch(`http://${host}/v2/${scene.name}/web/manifests/${reference}`, { headers })).status === 200
  }

  /** A run that ended so many days ago, with its image in the registry. */
  async function endedRun(
    daysAgo: number,
    image?: { host: string; content?: string },
  ): Promise<Run & { digest: Digest }> {
    const id = newId<RunId>('run', randomBytes)
    const at = new Date(scene.now - daysAgo * dayMs).toISOString()
    const sha = randomBytes(20).toString('hex') as Sha
    const push = {
      id,
      repo: scene.repo,
      repository: scene.name,
      event: 'push' as const,
      sha,
      branch: 'main',
      message: 'm',
      author: 'a',
    }
    const delivery = { id: randomBytes(8).toString('hex'), headers: {}, body: Buffer.from('{}') }
    const accepted = await store.runs.accept(newRun(push, at), delivery)
    if (accepted.kind !== 'accepted') throw new Error(accepted.kind)
    const { run } = accepted
    const digest = image ? await put(image.host, `run-${run.number}`, image.content ?? id) : ('' as Digest)
    const images = image ? [{ name: 'web', digest, reference: `${image.host}/${scene.name}/web@${digest}` }] : []
    const ended: Run = { ...run, state: 'cancelled', finishedAt: at, images }
    await store.redis.hset(keys.run(id), { doc: JSON.stringify(ended), state: 'cancelled' })
    await store.redis.srem(keys.openRuns, id)
    return { ...ended, digest }
  }

  async function release(run: Run & { digest: Digest }): Promise<void> {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { image: `x@${run.digest}` } }
    const order = exampleOrder({ objects: [pod] })
    const { id: runId, sequence, sha } = run
    const kept = { runId, sequence, sha, generation: 1, state: 'live' as const, target: 'docker', order }
    await store.releases.save(scene.repo, 'production', kept)
  }

  return scene
}
