import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { label, workLabels } from '@taxiway/docker/engine/labels.ts'
import Docker from 'dockerode'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkOracle } from '../oracle.ts'
import { makeWorld } from '../world/make-world.ts'
import { exampleOrder } from '../world/order.ts'
import { isOver } from '../world/taxiway.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const secret = 'a-value-that-nobody-may-see'
const engine = new Docker({ socketPath: (DOCKER_HOST ?? '').replace(/^unix:\/\//, '') })
let world: Awaited<ReturnType<typeof makeWorld>>
let redis: Redis
let run: { id: string; sha: string }

/** Without a builder: the run is cancelled, and all is quiet. What breaks an invariant is then put there by hand. */
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-oracle-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/oracle-${process.pid}`,
    roles: ['api', 'status'],
    say: () => {},
  })
  redis = new Redis(REDIS_URL ?? '')
  const { runId, sha } = await world.push({}, 'Nobody builds it')
  await world.taxiway.call('POST', `/runs/${runId}/cancel`)
  await world.taxiway.waitRun(runId, isOver, 10_000)
  run = { id: runId, sha }
  await checkOracle(observed())
})
afterAll(async () => {
  await world?.stop()
  redis?.disconnect()
})

const observed = (more = {}) => ({
  ...world.observed,
  // No release is made here; what the machine runs is told by the test that asks for it.
  running: async () => [],
  secrets: [...world.observed.secrets, secret],
  ...more,
})
/** @returns all that the oracle says, once it was told to wait for nothing */
const verdict = (more = {}) =>
  checkOracle(observed(more), 0).then(
    () => 'all is well',
    (error: Error) => error.message,
  )
/** Puts something there, asks, and takes it away again. */
async function planted(put: () => unknown, take: () => unknown, more = {}): Promise<string> {
  await put()
  try {
    return await verdict(more)
  } finally {
    await take()
  }
}
const key = (text: string) => text.replace('REPO', world.repository.id).replace('RUN', run.id)

test('1: a delivery that was acknowledged and has no run, and one with two', async () => {
  const acknowledged = new Map([['lost', 'run_00000000000000000000']])
  expect(await verdict({ acknowledged })).toContain(
    '1. delivery lost was acknowledged with run run_00000000000000000000, which is not there',
  )
  const again = key('taxiway:delivery:REPO:again')
  const twice = await planted(
    () => redis.hset(again, 'run', run.id),
    () => redis.del(again),
  )
  expect(twice).toMatch(/1\. run #1 of .* has 2 deliveries: .*again/)
})

test('1: a run that no delivery has', async () => {
  const [name = ''] = await redis.keys(key('taxiway:delivery:REPO:*'))
  const double = await planted(
    () => redis.rename(name, 'kept'),
    () => redis.rename('kept', name),
  )
  expect(double).toMatch(/1\. run #1 of .* has 0 deliveries: it is a double/)
})

test('2: a run that is open, unless it is said why', async () => {
  const { runId } = await world.push({}, 'Nobody builds it either')
  expect(await verdict()).toMatch(/2\. run #2 of .* is queued, attempt 1: checkout pending/)
  await checkOracle(observed({ open: { [runId]: 'no builder is there' } }))
  await world.taxiway.call('POST', `/runs/${runId}/cancel`)
  await checkOracle(observed())
})

test('2: a run without a reason, in which something goes on', async () => {
  const doc = (await redis.hget(key('taxiway:run:RUN'), 'doc')) ?? ''
  const { reason: _, ...rest } = JSON.parse(doc)
  const stages = [{ name: 'checkout', state: 'running' }, ...rest.stages.slice(1)]
  const said = await planted(
    () => redis.hset(key('taxiway:run:RUN'), 'doc', JSON.stringify({ ...rest, stages })),
    () => redis.hset(key('taxiway:run:RUN'), 'doc', doc),
  )
  expect(said).toMatch(/2\. run #1 of .* cancelled without a reason/)
  expect(said).toMatch(/2\. run #1 of .* cancelled, and its checkout is running/)
})

const post = (state: string, context: string, target_url: string) =>
  fetch(`${world.host.url}/api/v3/repos/${world.repository.name}/statuses/${run.sha}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.observed.secrets[0]}` },
    body: JSON.stringify({ state, context, target_url }),
  })
const link = () => `${world.taxiway.url}/runs/${run.id}`

test('3: a status that says otherwise than the run, leads elsewhere, or is nobody’s', async () => {
  const right = () => post('error', 'taxiway/build', link())
  expect(await planted(() => post('success', 'taxiway/build', link()), right)).toMatch(
    /3\. taxiway\/build of [0-9a-f]{7} in .* is success, but run #1 of .* cancelled: error/,
  )
  expect(await planted(() => post('error', 'taxiway/build', 'http://127.0.0.1/other'), right)).toMatch(
    /3\. .* leads to http:\/\/127.0.0.1\/other, not to run #1/,
  )
  expect(
    await planted(
      () => post('pending', 'taxiway/lost', link()),
      () => post('error', 'taxiway/lost', link()),
    ),
  ).toMatch(/3\. taxiway\/lost of .* is pending, and no run has it/)
})

test('4: generations that fell, a live release that is not the newest run’s, and something else that runs', async () => {
  const newer = (await world.taxiway.call('GET', `/runs?repo=${world.repository.id}`)).body.items[0]
  const digest = `sha256:${'a'.repeat(64)}`
  const release = (generation: number, runId: string) =>
    JSON.stringify({
      ...{ generation, runId, sequence: 1, sha: run.sha, state: 'live', target: 'docker' },
      order: exampleOrder({ namespace: 'x', digests: [`web@${digest}`] }),
    })
  const doc = (await redis.hget(`taxiway:run:${newer.id}`, 'doc')) ?? ''
  const deployed = JSON.parse(doc)
  deployed.stages.push({ name: 'deploy', environment: 'production', state: 'succeeded' })
  const put = async () => {
    await redis.sadd(key('taxiway:environments:REPO'), 'production')
    await redis.hset(key('taxiway:environment:REPO:production'), 'live', '2')
    await redis.hset(key('taxiway:releases:REPO:production'), { 1: release(1, newer.id), 2: release(2, run.id) })
    await redis.hset(`taxiway:run:${newer.id}`, 'doc', JSON.stringify(deployed))
  }
  const take = async () => {
    for (const name of ['environments:REPO', 'environment:REPO:production', 'releases:REPO:production'])
      await redis.del(key(`taxiway:${name}`))
    await redis.hset(`taxiway:run:${newer.id}`, 'doc', doc)
  }
  const said = await planted(put, take, { running: async () => ['sha256:other'] })
  expect(said).toMatch(/4\. production of .*: release 2 is older than release 1, and came after it/)
  expect(said).toMatch(/4\. production of .*: live is release 2 of run_.*, not run #2/)
  expect(said).toMatch(/4\. production of .*: sha256:other runs, which is not in release 2/)
  expect(await planted(put, take)).toMatch(/4\. production of .*: release 2 is live, and nothing runs/)
})

test('5: a container, a network, a volume, an image, a workspace of a run that is over', async () => {
  const owner = { run: run.id, attempt: 1, step: 'unit', repository: world.repository.name }
  const Labels = workLabels(owner)
  const name = `oracle-${run.id}`
  const tag = `taxiway-work/${run.id}:1-web`
  const workspace = join(world.taxiway.data, 'workspaces', `${run.id}-1`)
  const put = async () => {
    await engine.createContainer({ name, Image: 'busybox:stable', Labels })
    await engine.createNetwork({ Name: name, Labels })
    await engine.createVolume({ Name: name, Labels })
    await engine.getImage('busybox:stable').tag({ repo: tag.split(':')[0] as string, tag: '1-web' })
    mkdirSync(workspace, { recursive: true })
  }
  const take = async () => {
    await engine.getContainer(name).remove({ force: true })
    await engine.getNetwork(name).remove()
    await engine.getVolume(name).remove()
    await engine.getImage(tag).remove()
    rmSync(workspace, { recursive: true })
  }
  const said = await planted(put, take)
  for (const what of [`container /${name}`, `network ${name}`, `volume ${name}`, `image ${tag}`])
    expect(said).toContain(`5. ${what} is left in the engine`)
  expect(said).toContain(`5. workspaces/${run.id}-1 is left in the data folder`)
})

test('5: a container of a release that is not live', async () => {
  const name = `oracle-release-${run.id}`
  const Labels = {
    [label.role]: 'release',
    [label.repository]: world.repository.id,
    [label.environment]: 'production',
    [label.generation]: '3',
  }
  const said = await planted(
    () => engine.createContainer({ name, Image: 'busybox:stable', Labels }),
    () => engine.getContainer(name).remove({ force: true }),
  )
  expect(said).toContain(`5. container /${name} (created) of release 3 to production is left in the engine`)
})

test('6: a lease, a lane, a place among what is open or due, more keys than a run may have', async () => {
  const lease = key('taxiway:run:RUN:lease')
  const lane = key('taxiway:lane:REPO:production')
  const put = async () => {
    await redis.set(lease, 'x')
    await redis.set(lane, 'x')
    await redis.sadd('taxiway:runs:open', run.id)
    // Far off, so that nobody settles it meanwhile.
    await redis.zadd('taxiway:status:due', Date.now() + 3_600_000, run.id)
    for (let index = 0; index < 30; index++) await redis.set(key(`taxiway:run:RUN:left-${index}`), 'x'.repeat(10_000))
  }
  const take = async () => {
    await redis.del(lease, lane, ...(await redis.keys(key('taxiway:run:RUN:left-*'))))
    await redis.srem('taxiway:runs:open', run.id)
    await redis.zrem('taxiway:status:due', run.id)
  }
  const said = await planted(put, take)
  expect(said).toContain(`6. ${lease} is held, and the run is over`)
  expect(said).toContain(`6. ${lane} is held, and nothing rolls out`)
  expect(said).toContain(`6. ${run.id} is among the open runs, and is over`)
  expect(said).toMatch(/6\. run #1 of .* is over, and its statuses are due/)
  expect(said).toMatch(/6\. \d+ keys of 2 runs, more than \d+: taxiway:/)
  expect(said).toMatch(/6\. \d+ KiB of 2 runs in Redis, more than \d+/)
})

test('7: a secret in a log, a key, a status, a label, an image', async () => {
  const log = join(world.taxiway.folder, 'planted.log')
  const name = `oracle-secret-${run.id}`
  const image = `oracle-secret:${run.id}`
  const doc = (await redis.hget(key('taxiway:run:RUN'), 'doc')) ?? ''
  const put = async () => {
    writeFileSync(log, `token=${secret}\n`)
    await redis.hset('planted', 'field', Buffer.from(secret).toString('base64'))
    await post('error', `taxiway/${secret}`, link())
    const Labels = { [label.role]: 'work', secret }
    const made = await engine.createContainer({ name, Image: 'busybox:stable', Labels })
    await made.commit({ repo: 'oracle-secret', tag: run.id })
    const images = [{ name: 'web', reference: image }]
    await redis.hset(key('taxiway:run:RUN'), 'doc', JSON.stringify({ ...JSON.parse(doc), images }))
  }
  const take = async () => {
    rmSync(log)
    await redis.del('planted')
    await redis.hset(key('taxiway:run:RUN'), 'doc', doc)
    await engine.getContainer(name).remove({ force: true })
    await engine.getImage(image).remove()
  }
  const said = await planted(put, take)
  for (const where of ['the process log planted.log', 'the key planted', `a status of ${run.sha.slice(0, 7)}`])
    expect(said).toContain(`is in ${where}`)
  expect(said).toContain(`is in the labels of container /${name}`)
  expect(said).toContain(`is in the image ${image}`)
  expect(said).not.toContain(secret)
})

test('with neither a git host nor a list, it does not pass over what was acknowledged', async () => {
  expect(await verdict({ host: { absent: 'nobody pushes' } })).toMatch(/needs the deliveries/)
})
