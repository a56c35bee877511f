import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis } from '../../deploy/local/redis.ts'
import { commitAndPush } from '../git-host/push.ts'
import { startGitHost } from '../git-host/server.ts'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { isOver, makeTaxiway } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'

const token = 'the-right-token'
const folder = mkdtempSync(join(tmpdir(), 'taxiway-p07-'))
let host: Awaited<ReturnType<typeof startGitHost>>
let redis: Awaited<ReturnType<typeof startRedis>>
let taxiway: Awaited<ReturnType<typeof makeTaxiway>>
beforeAll(async () => {
  host = await startGitHost({ folder: join(folder, 'host') })
  redis = await startRedis({ folder, say: () => {} }, { fresh: true })
  taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: {
      REDIS_URL: redis.address,
      // The runs end at their pipeline file, before an engine is needed.
      DOCKER_HOST: `unix://${folder}/no-engine.sock`,
      TAXIWAY_ALLOWED_ORIGINS: host.url,
      TAXIWAY_RETRY_BASE_MS: '50',
    },
  })
  await taxiway.start(['api', 'builder', 'status'])
})
afterAll(async () => {
  await taxiway?.stop()
  await redis?.stop()
  await host?.stop()
})

const repositories: { id: string; name: string }[] = []
oracleAfterEach(() => ({
  taxiway,
  repositories,
  host,
  engine: { absent: 'the runs end before one is needed' },
  running: { absent: 'nothing is deployed' },
  secrets: [token, 'a-wrong-token', taxiway.token],
}))

/** A repository whose every push fails at its pipeline file, registered with a token. */
async function makeRepository(name: string, registered = token) {
  const { cloneUrl } = await host.createRepository(name, { token })
  const { body } = await taxiway.call('POST', '/repos', {
    host: 'github',
    url: cloneUrl,
    apiUrl: `${host.url}/api/v3`,
    token: registered,
  })
  host.setWebhook(name, body.webhook)
  repositories.push({ id: body.id, name })
  const tree = join(folder, name)
  mkdirSync(tree, { recursive: true })
  return {
    id: body.id as string,
    async push(message: string) {
      const sha = await commitAndPush(tree, {
        url: cloneUrl,
        token,
        message,
        files: { '.taxiway.yaml': 'version: 2\n' },
      })
      const found = await eventually(async () => {
        const { items } = (await taxiway.call('GET', `/runs?sha=${sha}`)).body
        expect(items).toHaveLength(1)
        return items[0]
      }, 10_000)
      return { sha, run: await taxiway.waitRun(found.id, isOver, 30_000) }
    },
  }
}

test('after an outage of the git host, what it holds equals the runs, and nothing went back to pending', async () => {
  const repository = await makeRepository('acme/away')
  const pushed: { sha: string; run: any }[] = []
  for (const fault of ['500', '429', '500', 'silent', '429', 'ok'] as const) {
    host.setFault({ mode: fault, only: 'api', retryAfterS: 1 })
    for (const turn of [1, 2]) pushed.push(await repository.push(`${fault} ${turn} ${pushed.length}`))
  }
  for (const { sha, run } of pushed)
    await eventually(async () => {
      const { state, description } = host.latest('acme/away', sha)['taxiway/build'] ?? {}
      expect({ state, description }).toEqual({ state: 'failure', description: run.reason.message.slice(0, 140) })
    }, 30_000)
  for (const { sha } of pushed) {
    const states = host.statuses('acme/away', sha).map(({ state }) => state)
    expect(states.slice(states.indexOf('failure') + 1)).toEqual([])
    expect(states.length).toBeLessThanOrEqual(2)
  }
})

test('a refused token is no end: with a new one the status arrives', async () => {
  const repository = await makeRepository('acme/locked', 'a-wrong-token')
  const { sha, run } = await repository.push('Locked out')
  expect(run).toMatchObject({ state: 'errored', reason: { code: 'git_auth_failed' } })
  expect(host.statuses('acme/locked', sha)).toEqual([])
  expect((await taxiway.call('PATCH', `/repos/${repository.id}`, { token })).status).toBe(200)
  await eventually(async () => expect(host.latest('acme/locked', sha)['taxiway/build']?.state).toBe('error'), 20_000)
})

test('what the git host will never take is noted on the run, once, and not sent again', async () => {
  const repository = await makeRepository('acme/gone')
  host.setFault({ mode: '404', only: 'api' })
  const { run } = await repository.push('Gone')
  const isNoted = ({ notes }: { notes?: { code: string }[] }) =>
    notes?.some(({ code }) => code === 'status_undeliverable') ?? false
  await taxiway.waitRun(run.id, isNoted, 10_000)
  const posts = () => host.requests.filter(({ path }) => path.includes('/acme/gone/statuses/')).length
  await sleep(3000)
  const before = posts()
  expect(before).toBeLessThanOrEqual(6)
  await sleep(3000)
  expect(posts()).toBe(before)
  host.setFault({ mode: 'ok' })
})
