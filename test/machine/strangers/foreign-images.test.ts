import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { pullImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { account, startPrivateRegistry } from '../../world/private-registry.ts'
import { isOver } from '../../world/taxiway.ts'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const signal = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'taxiway-foreign-'))
const [mine, theirs] = [`acme/mine-${process.pid}`, `acme/theirs-${process.pid}`]
let registry: Awaited<ReturnType<typeof startPrivateRegistry>>
let world: Awaited<ReturnType<typeof makeWorld>>
/** An image that the other repository has published, and one that nobody of Taxiway has; both are in the engine as well. */
let published: { tag: string; digest: string }
let base: { tag: string; digest: string }

async function publish(repository: string, host = registry.host): Promise<typeof base> {
  const [image, tag] = [`${host}/${repository}`, 'run-1']
  const order = { imageId: 'busybox:stable', repository: image, tag, auth: account, signal, deadlineMs: 30_000 }
  const pushed = await pushImage(engine, order)
  const pulled = await pullImage(engine, `${image}:${tag}`, { auth: account, signal, deadlineMs: 30_000 })
  if (!pushed.ok || !pulled.ok) throw new Error(`${image} was not published`)
  return { tag: `${image}:${tag}`, digest: `${image}@${pushed.value.digest}` }
}

beforeAll(async () => {
  registry = await startPrivateRegistry(join(folder, 'registry'))
  published = await publish(`${theirs}/web`)
  base = await publish('base/tools')
  const { REDIS_URL, DOCKER_HOST } = process.env
  world = await makeWorld({
    folder: join(folder, 'world'),
    target: 'docker',
    environment: {
      REDIS_URL,
      DOCKER_HOST,
      TAXIWAY_REGISTRY: registry.host,
      TAXIWAY_REGISTRY_USER: account.username,
      TAXIWAY_REGISTRY_PASSWORD: account.password,
    },
    name: mine,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  const other = { host: 'github', url: `${world.host.url}/${theirs}.git`, apiUrl: `${world.host.url}/api/v3` }
  expect((await world.taxiway.call('POST', '/repos', other)).status).toBe(201)
})
afterAll(async () => {
  await world?.stop()
  await registry?.stop()
  for (const { tag, digest } of [published, base])
    for (const name of [tag, digest])
      await engine.docker
        .getImage(name)
        .remove()
        .catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
})

const over = (id: string) => world.taxiway.waitRun(id, isOver, 60_000)
/** The run of a fork's pull request with that commit. */
async function proposed(sha: string) {
  await world.host.pullRequest(mine, { number: 7, sha, branch: 'proposal', from: 'mallory/mine' })
  const { responseBody } = world.host.deliveries().at(-1) ?? { responseBody: '{}' }
  return over(JSON.parse(responseBody ?? '{}').runId)
}
const pipeline = (text = '') => `version: 1\nimages: { web: {} }\n${text}\n`

test('what another repository has published is no base and no image of a test, however its name is put together', async () => {
  const [first, rest] = [published.digest.slice(0, 20), published.digest.slice(20)]
  const ways = [
    { Dockerfile: `FROM ${published.tag}\n`, '.taxiway.yaml': pipeline() },
    { Dockerfile: `ARG A=${first}\nFROM \${A}${rest}\n`, '.taxiway.yaml': pipeline() },
    { Dockerfile: `FROM busybox:stable\nCOPY --from=${published.tag} /bin/busybox /b\n`, '.taxiway.yaml': pipeline() },
    {
      Dockerfile: 'FROM busybox:stable\n',
      '.taxiway.yaml': pipeline(`test: { unit: { image: "${published.digest}", run: ["true"] } }`),
    },
  ]
  for (const files of ways) {
    const run = await over((await world.push(files, 'Take it')).runId)
    expect([files, run.state, run.reason?.code]).toEqual([files, 'failed', 'image_not_allowed'])
    expect(run.reason.message).toContain('another repository has published it')
  }
})

test("a fork's build has no network in its steps, trusted ones have", async () => {
  const { id } = world.repository
  expect((await world.taxiway.call('PATCH', `/repos/${id}`, { pullRequests: 'all' })).status).toBe(200)
  const on = 'on: { push: {}, pull_request: { branches: [main] } }'
  const files = {
    // Another each time, so that an engine that has built it before says it again.
    Dockerfile: `FROM busybox:stable\nRUN : ${randomUUID()}; ip -o link | grep -c eth0; true\n`,
    '.taxiway.yaml': pipeline(on),
  }
  const { sha, runId } = await world.push(files, 'Look at the network')
  const links = async (run: string) => /^#\d+ (\d)$/m.exec(await world.taxiway.log(run))?.[1]
  expect([(await over(runId)).state, await links(runId)]).toEqual(['succeeded', '1'])
  const fork = await proposed(sha)
  expect([fork.state, await links(fork.id)]).toEqual(['succeeded', '0'])
  expect(await world.taxiway.log(fork.id)).toContain('its steps have no network')
})

test("a fork's build has nothing from the engine that the registry would not give to everybody; trusted code has", async () => {
  const { id } = world.repository
  expect((await world.taxiway.call('PATCH', `/repos/${id}`, { pullRequests: 'all' })).status).toBe(200)
  const on = 'on: { push: {}, pull_request: { branches: [main] } }'
  for (const name of [base.tag, base.digest]) {
    const files = { Dockerfile: `FROM ${name}\nRUN echo ${Date.now()}\n`, '.taxiway.yaml': pipeline(on) }
    const { sha, runId } = await world.push(files, 'Build from a private base')
    expect((await over(runId)).state).toBe('succeeded')
    const fork = await proposed(sha)
    expect([name, fork.state, fork.reason?.code]).toEqual([name, 'failed', 'image_not_allowed'])
    expect(fork.reason.message).toContain('asks for a password')
  }
})

test('of a registry that gives an image to everybody, a fork has it also where Taxiway has a password there', async () => {
  const open = await startPrivateRegistry(join(folder, 'open'), { password: false })
  const given = await publish('base/open', open.host)
  try {
    const known = { user: account.username, password: account.password }
    expect((await world.taxiway.call('PUT', `/registries/${open.host}`, known)).status).toBe(204)
    const on = 'on: { push: {}, pull_request: { branches: [main] } }'
    const files = { Dockerfile: `FROM ${given.digest}\nRUN echo ${Date.now()}\n`, '.taxiway.yaml': pipeline(on) }
    const { sha, runId } = await world.push(files, 'Build from an open base')
    await over(runId)
    expect((await proposed(sha)).state).toBe('succeeded')
  } finally {
    for (const name of [given.tag, given.digest])
      await engine.docker
        .getImage(name)
        .remove()
        .catch(() => undefined)
    await open.stop()
  }
})
