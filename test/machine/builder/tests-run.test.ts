import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listCacheVolumes } from '@taxiway/docker/container/cache-volumes.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { imageExists, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeRegistryImages } from '../../../services/builder/images/registry-images.ts'
import { makeWorld } from '../../world/make-world.ts'
import { account, startPrivateRegistry } from '../../world/private-registry.ts'
import { isOver } from '../../world/taxiway.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const engine = connectEngine({ dockerHost: DOCKER_HOST ?? '' })
const { docker } = engine
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-tests-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/tests-${process.pid}`,
    roles: ['api', 'builder'],
    say: () => {},
  })
})
afterAll(async () => {
  await world?.stop()
  for (const { name, repo } of await listCacheVolumes(engine))
    if (repo === world.repository.id) await docker.getVolume(name).remove({ force: true })
})

/** Pushes a commit with these tests, and waits until its run is over. */
async function run(tests: object, more: object = {}) {
  const pipeline = { version: 1, images: { web: {} }, test: tests, ...more }
  const { runId } = await world.push({ '.taxiway.yaml': JSON.stringify(pipeline) }, 'Change the tests')
  const ended = await world.taxiway.waitRun(runId, isOver, 120_000)
  const left = await docker.listContainers({ all: true, filters: { label: [`taxiway.run=${runId}`] } })
  expect(left).toEqual([])
  const tested = Object.fromEntries((ended.tests ?? []).map((one: { name: string }) => [one.name, one]))
  return { run: ended, tests: tested, log: await world.taxiway.log(runId) }
}
const lines = (log: string, prefix: string) =>
  log
    .split('\n')
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length))
const serve = (text: string, before = '') => ({
  image: 'web',
  command: ['sh', '-c', `${before}mkdir -p /w; echo ${text} > /w/x; httpd -f -p 8080 -h /w`],
})

test('services are ready before the test begins: by a port, by a command, and by running', async () => {
  const { run: ended, log } = await run({
    unit: {
      run: [
        'test "$(wget -qO- http://db:8080/x)" = hello',
        'wget -qO- http://again:8080/x',
        'wget -qO- http://plain:8080/x || sleep 1',
      ],
      services: {
        db: { ...serve('hello', 'echo warms up; sleep 1; '), ready: { port: 8080 } },
        loud: {
          image: 'web',
          command: ['sh', '-c', 'i=0; while [ $i -lt 999 ]; do i=$((i+1)); echo line-$i; done; sleep 99'],
        },
        again: { ...serve('more', 'sleep 1; '), ready: { command: 'wget -qO- http://127.0.0.1:8080/x' } },
        plain: serve('plain'),
      },
    },
  })
  expect([ended.state, log]).toEqual(['succeeded', expect.stringMatching(/service db is ready after \d\.\d s/)])
  // What services said can be read of a test that passed, too, of each the end.
  expect(log).toContain('\nservice db | warms up\n')
  const said = log.split('\n').filter((line) => line.startsWith('service loud | '))
  expect([said[0], said.at(-1)]).toEqual([
    expect.stringMatching(/^service loud \| line-7\d\d$/),
    'service loud | line-999',
  ])
  expect(log).toMatch(/\$ wget -qO- http:\/\/again:8080\/x\nmore\n\(\d\.\d s\)\n/)
})

test('a service that listens on loopback only, or ends, is not ready, and its last words are told', async () => {
  const { run: ended, tests } = await run({
    broken: {
      run: ['true'],
      services: {
        db: { image: 'web', command: ['sh', '-c', 'echo no disk; exit 1'], ready: { port: 8080 } },
        other: { ...serve('x'), ready: { command: 'false' } },
      },
    },
    alone: {
      run: ['true'],
      services: {
        db: {
          image: 'web',
          command: ['sh', '-c', 'echo shy; exec httpd -f -p 127.0.0.1:8080'],
          ready: { port: 8080 },
          timeout: '3s',
        },
      },
    },
  })
  expect(ended).toMatchObject({ state: 'failed', reason: { code: 'service_not_ready' } })
  expect(ended.reason.message).toBe('Service db did not become ready: it ended: no disk. 1 more test failed.')
  expect(tests.alone.reason.message).toBe('Service db did not become ready: not within 3 s: shy.')
})

test('each case of a matrix is a test, side by side, in lines that are told apart', async () => {
  const {
    run: ended,
    tests,
    log,
  } = await run({
    unit: { run: ['echo "it is $CASE"', 'sleep 2', 'test "$CASE" != C || exit 3'], matrix: { CASE: ['a', 'A', 'C'] } },
  })
  expect(Object.keys(tests)).toEqual(['unit (CASE=a)', 'unit (CASE=A)', 'unit (CASE=C)'])
  expect(ended.reason.message).toMatch(/^Test unit \(CASE=C\) failed with exit code 3/)
  const own = lines(log, 'unit (CASE=A) | ')
  expect(own.map((line) => line.replace(/\d\.\d/, 'N'))).toEqual([
    '$ echo "it is $CASE"',
    'it is A',
    '(N s)',
    '$ sleep 2',
    '(N s)',
    '$ test "$CASE" != C || exit 3',
    '(N s)',
    '✓ passed',
  ])
  const seconds = own.filter((line) => line.startsWith('(')).map((line) => Number.parseFloat(line.slice(1)))
  expect(seconds[1]).toBe(Math.max(...seconds))
})

test('what needs a failed test is left out, all others run, and the verdict names the first', async () => {
  const { run: ended, tests } = await run({
    slow: { run: ['sleep 3'] },
    first: { run: ['echo the cause; exit 4'] },
    second: { run: ['false'] },
    after: { run: ['true'], needs: ['slow'] },
    left: { run: ['true'], needs: ['first'] },
    never: { run: ['true'], when: { branch: ['other'] } },
  })
  expect(ended).toMatchObject({ state: 'failed', reason: { code: 'test_failed' } })
  expect(ended.reason.message).toBe('Test first failed with exit code 4: the cause. 1 more test failed.')
  const states = Object.fromEntries(Object.entries<any>(tests).map(([name, { state }]) => [name, state]))
  expect(states).toEqual({ slow: 'passed', first: 'failed', second: 'failed', after: 'passed', left: 'skipped' })
  expect(tests.left).toMatchObject({ tries: 0, reason: { code: 'test_needs' } })
})

test('a test that passes when it is tried again is flaky; one that may fail does not fail the run', async () => {
  const serveOnce = 'n=$(cat /w/n 2>/dev/null || echo 0); echo $((n + 1)) > /w/n'
  const {
    run: ended,
    tests,
    log,
  } = await run({
    flaky: {
      // The folder outlives the try.
      run: [serveOnce, 'test "$(cat /w/n)" -ge 2'],
      cache: [{ path: '/w', key: ['test.sh'] }],
      retry: 2,
    },
    lint: { run: ['exit 5'], allow_failure: true, retry: 1 },
    after: { run: ['true'], needs: ['lint'] },
  })
  expect([ended.state, log]).toEqual(['succeeded', expect.stringContaining('Try 2 of 3 begins')])
  expect(tests.flaky).toMatchObject({ state: 'passed', tries: 2, flaky: true })
  expect(tests.flaky.durationMs).toBeGreaterThan(0)
  expect(tests.lint).toMatchObject({ state: 'failed', allowed: true, tries: 2, reason: { code: 'test_failed' } })
  expect(tests.after).toMatchObject({ state: 'passed', tries: 1 })
})

test('a secret is in the environment and in no log; one that is missing is named', async () => {
  const value = 'a-secret-of-the-tests-17'
  const prints = 'i=0; while [ $i -lt 1500 ]; do echo "x$API_KEY"; i=$((i+1)); done; touch /done; sleep 100'
  const loud = ['sh', '-c', prints]
  const path = `/repos/${world.repository.id}/secrets/API_KEY`
  expect((await world.taxiway.call('PUT', path, { value })).status).toBe(204)
  const {
    run: ended,
    tests,
    log,
  } = await run({
    unit: {
      run: [`test "$API_KEY" = ${value.slice(0, 9)}${value.slice(9)}`, 'echo "it is $API_KEY"'],
      secrets: ['API_KEY'],
    },
    other: { run: ['test -z "$API_KEY"'], retry: 2 },
    missing: { run: ['true'], secrets: ['NO_SUCH'], retry: 2 },
    served: {
      run: [`test "$(wget -qO- http://db:8080/x)" = ${value.slice(0, 9)}${value.slice(9)}`],
      services: { db: { ...serve('"$API_KEY"'), ready: { port: 8080 }, secrets: ['API_KEY'] } },
    },
    without: {
      run: ['test -z "$(wget -qO- http://db:8080/x)"'],
      services: { db: { ...serve('"$API_KEY"'), ready: { port: 8080 } } },
    },
    // More than is kept, so that it begins within a line.
    loud: {
      run: ['sleep 1; exit 1'],
      services: { db: { image: 'web', command: loud, ready: { command: 'test -e /done' }, secrets: ['API_KEY'] } },
    },
    unset: { run: ['true'], services: { db: { image: 'web', secrets: ['NO_SUCH'] } } },
  })
  expect(ended.reason.message).toContain('NO_SUCH')
  expect(tests).toMatchObject({
    unit: { state: 'passed' },
    other: { state: 'passed' },
    missing: { state: 'failed', tries: 1, reason: { code: 'secret_missing' } },
    served: { state: 'passed' },
    without: { state: 'passed' },
    loud: { state: 'failed', reason: { code: 'test_failed' } },
    unset: { state: 'failed', reason: { code: 'secret_missing' } },
  })
  expect(log).toContain('it is ***')
  expect(log).toContain('loud | service db | x***\n')
  expect(log).not.toContain(value.slice(-12))
})

test('a test runs in any image of a registry, and in none that is only an id or of another run', async () => {
  const { tests, log } = await run({
    any: { image: 'busybox:stable', run: ['echo "in $(busybox | head -1)"'] },
    id: { image: `sha256:${'a'.repeat(12)}`, run: ['true'] },
    other: { image: 'taxiway-work/run_00000000000000000000:1-web', run: ['true'] },
  })
  expect([tests.any?.state, log]).toEqual(['passed', expect.stringContaining('in BusyBox')])
  for (const name of ['id', 'other'])
    expect(tests[name]).toMatchObject({ state: 'failed', reason: { code: 'option_not_allowed' } })
})

test('a registry that can not be reached is the fault of the infrastructure, ends the other tests, and is no try', async () => {
  const startedMs = performance.now()
  const { run: ended, tests } = await run({
    far: { image: '127.0.0.1:1/none:1', run: ['true'], retry: 3 },
    long: { run: ['sleep 100'] },
  })
  expect(ended).toMatchObject({ state: 'errored', attempt: 2, reason: { code: 'registry_unavailable' } })
  expect(tests).toMatchObject({ far: { state: 'failed', tries: 1 }, long: { state: 'cancelled' } })
  expect(performance.now() - startedMs).toBeLessThan(60_000)
})

test('a private image is pulled with the credentials of trusted runs, and is not there for code that nobody approved', async () => {
  const registry = await startPrivateRegistry(mkdtempSync(join(tmpdir(), 'taxiway-tests-registry-')))
  const store = openStore({ redisUrl: REDIS_URL ?? '', secretKey: randomBytes(32) })
  const repository = `${registry.host}/team/tools`
  const reference = `${repository}:one`
  const signal = new AbortController().signal
  try {
    await waitReady(store.redis, 5000)
    const order = { imageId: 'busybox:stable', repository, tag: 'one', auth: account, signal, deadlineMs: 30_000 }
    expect(await pushImage(engine, order)).toMatchObject({ ok: true })
    const configured = { prefix: registry.host, user: account.username, password: account.password }
    const provide = (isTrusted: boolean) =>
      makeRegistryImages({ engine, store, registry: configured, isTrusted }).provide(reference, {
        signal,
        say: () => {},
      })
    const refused = { ok: false, reason: { code: 'registry_auth_failed' } }
    expect(await provide(false)).toMatchObject(refused)
    expect(await provide(true)).toMatchObject({ ok: true })
    expect(await imageExists(engine, reference)).toBe(true)
    expect(await provide(false)).toMatchObject(refused)
    const id = await engineId(engine)
    expect(await store.pulledImages.unusedSince(id, new Date(Date.now() + 1000))).toContain(reference)
    await store.pulledImages.forget(id, reference)
  } finally {
    await removeImage(engine, reference)
    await store.close()
    await registry.stop()
  }
})
