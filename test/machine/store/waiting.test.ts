import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { pushBody, send } from '../../world/webhooks.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-waiting-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/waiting-${process.pid}`,
    roles: ['api', 'status'],
    say: () => {},
  })
})
afterAll(() => world?.stop())
oracleAfterEach(() => world.observed)

const read = async (id: string) => (await world.taxiway.call('GET', `/runs/${id}`)).body
const over = (id: string) => world.taxiway.waitRun(id, isOver, 60_000)
const pipeline = (command: string) =>
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    `version: 1\nimages: { web: {} }\ntest: { unit: { image: web, run: [${JSON.stringify(command)}] } }\n`,
  )
const described = async (sha: string) => (await world.statuses(sha))['taxiway/build']?.description
const span = (run: { stages: { name: string; startedAt: string; finishedAt: string }[] }) => {
  const found = run.stages.find(({ name }) => name === 'test')
  return [Date.parse(found?.startedAt ?? ''), Date.parse(found?.finishedAt ?? '')] as const
}

test('whoever sees a run is told what it waits for: a builder, its place in line, and about how long', async () => {
  pipeline('sleep 2')
  const first = await world.push({}, 'First')
  expect((await read(first.runId)).waiting).toEqual({
    for: 'worker',
    place: 1,
    message: 'Waiting: no builder is running. It goes on when one starts.',
  })
  await eventually(async () => expect(await described(first.sha)).toMatch(/no builder is running/), 10_000)
  const builder = await world.taxiway.start(['builder'], { TAXIWAY_CONCURRENCY: '1' })
  const done = await over(first.runId)
  expect(done).toMatchObject({ state: 'succeeded' })
  expect(done).not.toHaveProperty('waiting')

  pipeline('sleep 5')
  const busy = await world.push({}, 'Busy')
  await world.taxiway.waitRun(busy.runId, ({ state }) => state === 'running', 20_000)
  const [second, third] = [await world.push({}, 'Second'), await world.push({}, 'Third')]
  const told = await world.taxiway.waitRun(third.runId, ({ waiting }) => waiting?.place === 2, 10_000)
  expect(told.waiting).toMatchObject({
    for: 'slot',
    message: expect.stringMatching(/^Waiting: 2nd in line, about \d+ s\.$/),
  })
  expect(told.waiting.estimateSeconds).toBeGreaterThan(0)
  await eventually(async () => expect(await described(third.sha)).toMatch(/^Waiting: [12]\w\w in line/), 10_000)
  for (const { runId } of [busy, second, third]) expect(await over(runId)).toMatchObject({ state: 'succeeded' })
  await eventually(async () => expect(await described(third.sha)).toMatch(/^Built in/), 10_000)
  await builder.kill('SIGTERM')
})

test('a repository that may have one run at a time has one, and the next begins as soon as it ends', async () => {
  await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, { maxRuns: 1 })
  pipeline('sleep 1')
  const pushed = [await world.push({}, 'One'), await world.push({}, 'Two'), await world.push({}, 'Three')]
  const builders = [await world.taxiway.start(['builder']), await world.taxiway.start(['builder'])]
  const runs = await Promise.all(pushed.map(({ runId }) => over(runId)))
  expect(runs.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  const [one, two, three] = runs.map(span)
  expect(two?.[0]).toBeGreaterThan(one?.[1] ?? Number.NaN)
  expect(three?.[0]).toBeGreaterThan(two?.[1] ?? Number.NaN)
  expect((three?.[0] ?? 0) - (two?.[1] ?? 0)).toBeLessThan(8000)
  await Promise.all(builders.map((builder) => builder.kill('SIGTERM')))
})

test('a builder takes a quiet repository’s run next, though another’s forty came first', async () => {
  await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, { maxRuns: 0 })
  const register = async (name: string) => {
    const url = `${world.host.url}/acme/${name}-${process.pid}.git`
    return (await world.taxiway.call('POST', '/repos', { host: 'github', url })).body
  }
  const [noisy, quiet] = [await register('noisy'), await register('quiet')]
  const runs: string[] = []
  for (let at = 1; at <= 40; at++)
    runs.push((await send(noisy.webhook, pushBody(noisy.name, at.toString(16).padStart(40, '0')))).body.runId)
  const asked = (await send(quiet.webhook, pushBody(quiet.name, 'f'.repeat(40)))).body.runId
  const builder = await world.taxiway.start(['builder'], { TAXIWAY_CONCURRENCY: '1' })
  // None of them exists at the git host, so each ends at once.
  const ended = await Promise.all([...runs, asked].map(over))
  const begun = ended.sort((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt)).map(({ id }) => id)
  expect(begun.indexOf(asked)).toBeLessThanOrEqual(1)
  expect(begun.filter((id) => id !== asked)).toEqual(runs)
  await builder.kill('SIGTERM')
})
