import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import { newRun } from '@taxiway/domain/run/run.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isOver, makeTaxiway, type RoleProcess, type Taxiway } from '../../world/taxiway.ts'
import { pushBody, send } from '../../world/webhooks.ts'

const { REDIS_URL = '', DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const folder = mkdtempSync(join(tmpdir(), 'taxiway-key-'))
const before = openStore({ redisUrl: REDIS_URL, secretKey: randomBytes(32) })
const repo = newId<RepositoryId>('repo', randomBytes)
const name = `acme/${repo.slice(5)}`
let taxiway: Taxiway
let all: RoleProcess
beforeAll(async () => {
  await waitReady(before.redis, 5000)
  const place = { url: `https://git.example.com/${name}.git`, apiUrl: 'https://git.example.com/api/v3' }
  const repository = {
    id: repo,
    host: 'github' as const,
    name,
    ...place,
    deploy: {},
    createdAt: '2026-01-01T00:00:00Z',
  }
  await before.repositories.add(repository, { webhookSecret: 'a secret', token: 'a token' })
  const environment = { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_TARGET: 'docker' }
  taxiway = await makeTaxiway({ folder, environment })
  all = await taxiway.start()
})
afterAll(async () => {
  await taxiway?.stop()
  before.close()
  rmSync(folder, { recursive: true, force: true })
})

test('what another key has encrypted ends a run with that reason, and no process', async () => {
  const id = newId<RunId>('run', randomBytes)
  const what = { sha: 'a'.repeat(40) as Sha, branch: 'main', message: '', author: '', repository: name }
  const run = newRun({ id, repo, event: 'push', ...what }, new Date().toISOString())
  await before.runs.accept(run, { id, headers: {}, body: Buffer.alloc(0) })
  expect(await taxiway.waitRun(id, isOver, 20_000)).toMatchObject({
    state: 'errored',
    reason: { code: 'secrets_unreadable', message: expect.stringContaining('TAXIWAY_SECRET_KEY') },
  })
  const webhook = { url: `${taxiway.url}/webhooks/github`, secret: 'a secret' }
  expect(await send(webhook, pushBody(name, 'b'.repeat(40)))).toMatchObject({
    status: 500,
    body: { error: { code: 'secrets_unreadable' } },
  })
  expect(all.child.exitCode).toBeNull()
})
