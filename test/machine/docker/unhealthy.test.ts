import { expect, test } from 'vitest'
import { deployment, makeWork, successOf } from '../../contracts/target.ts'
import { targetScene } from './target-scene.ts'

const { images, target, openPlace, containersOf, networksOf, roll, release, address, visit } = targetScene()

test('a release that crashes is explained, the old one serves all the while, and newer ones still compare', async () => {
  const place = openPlace('crash')
  const good = place.order(images.one)
  await release(good)
  const before = await containersOf(place)
  const bad = place.order(images.crash)
  expect(await roll(bad)).toMatchObject({
    healthy: false,
    detail: 'web: crash loop, exit 1: DATABASE_URL missing',
    explanation: { cause: 'crash', exitCode: 1 },
  })
  expect(await visit(address(place))).toBe('one')
  const generation = place.nextGeneration()
  const restored = successOf(await target.restore({ failed: bad, previous: good, generation }, makeWork()))
  expect(restored).toEqual({ complete: true, detail: `rolled back to ${good.sha.slice(0, 7)}` })
  expect(await visit(address(place))).toBe('one')
  expect((await containersOf(place)).map(({ id }) => id)).toEqual(before.map(({ id }) => id))
  expect(successOf(await target.live(good, makeWork()))).toEqual({ generation, runId: good.runId })
  expect(await target.apply(bad, makeWork())).toMatchObject({ ok: false, reason: { code: 'stale_generation' } })
  await release(place.order(images.two))
  expect(await visit(address(place))).toBe('two')
})

test.each([
  { kind: 'canary' as const, steps: [{ weight: 50, pauseMs: 1 }] },
  { kind: 'blue_green' as const, pauseMs: 1 },
])('steps before the switch are refused, not left out: $kind', async (strategy) => {
  const order = { ...openPlace('steps').order(images.one), strategy: { ...strategy, analysis: [], timeoutMs: 1 } }
  const checked = await target.dryRun(order, makeWork())
  expect(checked.ok ? '' : checked.reason).toMatchObject({ code: 'manifest_unsupported' })
  expect(!checked.ok && checked.reason.message).toContain(`deploy.staging.${strategy.kind}`)
})

test('a release that never gets ready says what its probe answered', async () => {
  const order = openPlace('never').order(images.never)
  expect(await roll(order, 3_000)).toMatchObject({
    healthy: false,
    detail: 'web: never ready: readiness probe GET :8080/healthz answered 404',
    explanation: { cause: 'not_ready' },
  })
})

test('a release that needs more memory than its limit says so', async () => {
  const limited = deployment({ resources: { limits: { memory: '24Mi', cpu: '500m' } } })
  const order = openPlace('memory').order(images.big, [limited])
  expect(await roll(order)).toMatchObject({
    healthy: false,
    detail: 'web: out of memory, its limit is 24 MB',
    explanation: { cause: 'out_of_memory', exitCode: 137 },
  })
})

test('a program that the image does not have is the verdict, not a fault', async () => {
  const verdict = await roll(openPlace('program').order(images.one, [deployment({ workingDir: '/etc/passwd' })]))
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: can't start: .*not a directory/)
})

test('a first release that fails leaves nothing behind', async () => {
  const place = openPlace('first')
  const order = place.order(images.crash)
  expect(await roll(order)).toMatchObject({ healthy: false })
  const restoring = { failed: order, previous: undefined, generation: place.nextGeneration() }
  expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect(await containersOf(place)).toEqual([])
  expect(await networksOf(place)).toEqual([])
  expect(target.address(place.repositoryId, place.environment)).toBeUndefined()
})
