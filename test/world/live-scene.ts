import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readConfig } from '@taxiway/chassis/config.ts'
import { makeMetrics } from '@taxiway/chassis/health.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import { makeLogger } from '@taxiway/chassis/logger.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { newId, type RepositoryId, type RunId } from '@taxiway/domain/ids.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { expect } from 'vitest'
import { makeApp } from '../../services/api/app.ts'
import { makeFulfil } from '../../services/deployer/live/fulfil-changes.ts'
import { watchEnvironments } from '../../services/deployer/live/watch-environments.ts'
import type { Targets } from '../../services/deployer/target/open.ts'

/** A store, an api and deployers' watches of tests that look at what becomes of a release. */
export async function liveScene(target: () => Target) {
  const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
  await waitReady(store.redis, 5000)
  const stopping = new AbortController()
  const logger = makeLogger('silent', 'test')
  const dataFolder = mkdtempSync(join(tmpdir(), 'taxiway-live-'))
  const app = await makeApp({
    store,
    logger,
    url: 'http://127.0.0.1:1',
    allowedOrigins: [],
    dataFolder,
    stopping: stopping.signal,
    metrics: makeMetrics(),
    ready: async () => undefined,
  })
  const config = readConfig({ ...process.env, TAXIWAY_DATA: dataFolder })
  const targets: Targets = {
    choose: async () => ({ ok: true, value: target() }),
    elsewhere: async () => undefined,
    troubles: async () => [],
  }
  const tokens = await Promise.all(
    (['read', 'write'] as const).map(
      async (scope) => [scope, await store.tokens.create({ name: `a ${scope}r`, scope })] as const,
    ),
  )
  const { read, write } = Object.fromEntries(tokens)
  const parts: Part[] = []
  const repos: RepositoryId[] = []
  const call = async (method: 'GET' | 'POST', path: string, body?: object, token = write?.token) => {
    const answer = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: `Bearer ${token}` },
      ...(body ? { payload: body } : {}),
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  return {
    store,
    app,
    deps: { store, targets, logger, config },
    readToken: read?.token ?? '',
    call,
    /** A repository of this test; orders for it must carry its id. */
    async register(name: string): Promise<RepositoryId> {
      const id = newId<RepositoryId>('repo', store.random)
      const unique = `acme/${name}-${id.slice(-6)}`
      const repository = { id, host: 'github' as const, name: unique, url: `https://git.example.com/${unique}.git` }
      const rest = { apiUrl: 'https://git.example.com/api', deploy: {}, createdAt: store.now().toISOString() }
      await store.repositories.add({ ...repository, ...rest }, { webhookSecret: 'x' })
      repos.push(id)
      return id
    },
    /** Writes down that the order is live, as a roll-out does at its end. */
    async setLive(order: ReleaseOrder, more: object = {}): Promise<void> {
      const { runId, sha, generation } = order
      const release = { runId: runId as RunId, sequence: generation, sha, generation, target: target().kind, order }
      await store.releases.save(order.repositoryId as RepositoryId, order.environment, {
        ...release,
        state: 'live',
        at: store.now().toISOString(),
        ...more,
      })
    },
    /** Starts the watch of one more deployer. */
    watch(): Part {
      const part = watchEnvironments(
        { store, targets, logger, config },
        { id: newId('deployer', store.random), serves: [] },
      )
      parts.push(part)
      return part
    },
    /** Starts what carries changes out. */
    fulfil(): Part {
      const fulfil = makeFulfil({ store, targets, logger, config })
      const part = startReconciler(fulfil, { name: 'changes', everyMs: 200, logger })
      parts.push(part)
      return part
    },
    /** Asks for a change. @returns how it ended */
    async change(repo: string, kind: 'scale' | 'restart', body: object): Promise<any> {
      const asked = await call('POST', `/repos/${repo}/environments/staging/${kind}`, body)
      expect(asked).toMatchObject({ status: 202, body: { state: 'waiting' } })
      let ended: any
      const look = async () => {
        const { body } = await call('GET', `/repos/${repo}/environments/staging/changes`)
        ended = body.items.find(({ id }: { id: number }) => id === asked.body.id)
        return ended.state
      }
      await expect.poll(look, { timeout: 60_000, interval: 100 }).not.toBe('waiting')
      return ended
    },
    /** Waits until the API answers a state that is so. @returns it */
    async until(repo: string, isSo: (state: any) => boolean, timeout = 90_000): Promise<any> {
      let state: any
      await expect
        .poll(
          async () => {
            state = (await call('GET', `/repos/${repo}/environments/staging/state`)).body
            return isSo(state) || JSON.stringify(state)
          },
          { timeout, interval: 200 },
        )
        .toBe(true)
      return state
    },
    async close(): Promise<void> {
      for (const part of parts) await part.stop()
      for (const id of repos) {
        const repository = await store.repositories.read(id)
        if (repository) await store.repositories.remove(repository)
      }
      stopping.abort()
      await app.close()
      await store.close()
    },
  }
}
