import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'

let world: Awaited<ReturnType<typeof makeWorld>>
let folder: string
const main = join(import.meta.dirname, '../../../services/cli/main.ts')
const pipeline = (more: string) => `version: 1
images: { web: {} }
deploy:
  production:
    namespace: shop
    timeout: 30s
    soak: 1s
    components:
      web: { port: 8080, secrets: [TOKEN], ${more} }
`
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-diff-'))
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/diff-${process.pid}`,
    say: () => {},
  })
  await world.taxiway.call('PUT', `/repos/${world.repository.id}/secrets/TOKEN`, { value: 'very-secret-value' })
})
afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function push(more: string, files: Record<string, string> = {}) {
  const { runId } = await world.push({ ...files, '.taxiway.yaml': pipeline(more) }, more)
  const run = await world.taxiway.waitRun(runId, isOver, 120_000)
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  return { runId, log: await world.taxiway.log(runId), answer: await world.taxiway.call('GET', `/runs/${runId}/diff`) }
}
const cli = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'diff', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, NO_COLOR: '1', TAXIWAY_TOKEN: world.taxiway.token },
  })

test('the first release is compared with nothing', async () => {
  const { log, answer } = await push('replicas: 2')
  expect(log).toContain('the first release here: Service/web, Deployment/web')
  expect(answer.body.items).toMatchObject([{ environment: 'production', generation: 1, unchanged: 0 }])
})

test('what a release changes is in its log, in the API and told by the program; secrets are not', async () => {
  const { runId, log, answer } = await push('replicas: 3, env: { LEVEL: high, NOTE: "it is very-secret-value" }')
  expect(log).toMatch(/Deployment\/web: replicas 2 → 3, env\[LEVEL\]\.value high, env\[NOTE\]\.value it is \*\*\*/)
  expect(answer).toMatchObject({
    status: 200,
    body: {
      items: [{ against: { generation: 1 }, unchanged: 1, objects: [{ object: 'Deployment/web', change: 'changed' }] }],
    },
  })
  const told = cli(runId, '--server', world.taxiway.url)
  expect([told.status, told.stderr]).toEqual([0, ''])
  expect(told.stdout).toContain('production, release 2, against release 1')
  expect(told.stdout).toMatch(/~ Deployment\/web\n {6}spec\.replicas\n {8}- 2\n {8}\+ 3\n/)
  // Containers have names that look alike.
  for (const text of [log.replace(/^started .*$/gm, ''), JSON.stringify(answer.body), told.stdout]) {
    expect(text).toContain('it is ***')
    expect(text).not.toMatch(/very-secret-value|web-[0-9a-f]{10}/)
  }
})

test('a release of the same objects changes nothing, one of another image that alone; a run that is not there is not found', async () => {
  const same = 'replicas: 3, env: { LEVEL: high, NOTE: "it is very-secret-value" }'
  expect((await push(same, { 'README.md': 'Read me.\n' })).log).toContain(
    'nothing changes: 2 objects stay as they are\n',
  )
  const { log } = await push(same, { 'www/index.html': 'another page\n' })
  expect(log).toMatch(/ {2}Deployment\/web: image web@[0-9a-f]{12}\n {2}1 stay as they are\n/)
  expect(cli('run_nothing', '--server', world.taxiway.url)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('There is no such run. [not_found]'),
  })
})
