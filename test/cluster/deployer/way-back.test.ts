// Slow: a program must crash again and again before it counts as down, and the node waits longer each time.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { webManifests } from '../../world/web-manifests.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-way-back-')),
    target: 'kubernetes',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
    name: `acme/way-back-${process.pid}`,
    say: () => {},
  })
})
afterAll(() => world?.stop())

const environment = async () =>
  (await world.taxiway.call('GET', `/repos/${world.repository.id}/environments/production`)).body
const act = (method: string, path: string, body?: object) =>
  world.taxiway.call(method, `/repos/${world.repository.id}/environments/production/${path}`, body)
const over = (id: string) => world.taxiway.waitRun(id, isOver, 90_000)
const says = (text: string) => eventually(async () => expect((await world.visit()).trim()).toBe(text), 15_000)
const seen = (text: RegExp) =>
  eventually(async () => {
    const { workloads } = (await act('GET', 'state')).body
    expect(JSON.stringify(workloads)).toMatch(text)
  }, 60_000)

/** A version of the page, in a container that runs this command where one is given. */
function push(version: string, command?: string) {
  const pipeline = `version: 1\nimages: { web: {} }\ndeploy: { production: { namespace: ${world.namespace}, timeout: 30s, soak: 1s } }\n`
  writeFileSync(join(world.tree, '.taxiway.yaml'), pipeline)
  const image = 'image: web\n'
  const manifests = command === undefined ? webManifests : webManifests.replace(image, `${image}          ${command}\n`)
  const files = { 'www/index.html': `version ${version}\n`, 'www/healthz': 'ok\n', 'k8s/web.yaml': manifests }
  return world.push(files, `Say version ${version}`)
}

test('a release that fails is taken back to the last that was well, and not to one that was down', async () => {
  const first = await push('1')
  expect(await over(first.runId)).toMatchObject({ state: 'succeeded' })
  const dies = 'command: [sh, -c, "busybox httpd -p 8080 -h /www; sleep 6; exit 9"]'
  const second = await push('2', dies)
  expect(await over(second.runId)).toMatchObject({ state: 'succeeded' })
  await seen(/"restarts":[2-9]/)
  const third = await push('3', 'command: [/nowhere]')
  const run = await over(third.runId)
  const [before, back] = [second.sha.slice(0, 7), first.sha.slice(0, 7)]
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'deploy_unhealthy' } })
  expect(run.reason.message).toMatch(
    new RegExp(`; rolled back to ${back}; ${before} was down before \\(web: crash loop, exit 9\\)\\.$`),
  )
  await says('version 1')
  expect((await environment()).hold).toBeUndefined()
})

test('the same rollback twice goes back once, and with a hold the next push waits', async () => {
  expect(await over((await push('4')).runId)).toMatchObject({ state: 'succeeded' })
  const [one, two] = await Promise.all([
    act('POST', 'rollback', { hold: true }),
    act('POST', 'rollback', { hold: true }),
  ])
  expect([one.status, two.status].sort()).toEqual([200, 201])
  expect(two.body.id).toBe(one.body.id)
  expect(await over(one.body.id)).toMatchObject({ state: 'succeeded' })
  await says('version 1')
  expect((await environment()).hold.reason).toMatch(/^rolled back to release \d+ by .*, who wants to stay there$/)
  const { runId } = await push('5')
  await world.taxiway.waitRun(runId, ({ waiting }) => waiting?.for === 'hold', 60_000)
  await says('version 1')
  await act('DELETE', 'hold')
  expect(await over(runId)).toMatchObject({ state: 'succeeded' })
})
