import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeWorld } from '../world/make-world.ts'
import { type OwnEngine, startOwnEngine } from '../world/own-engine.ts'
import { isOver, type RoleProcess } from '../world/taxiway.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const folder = mkdtempSync(join(tmpdir(), 'taxiway-flood-'))
let own: OwnEngine
let world: Awaited<ReturnType<typeof makeWorld>>
let builder: RoleProcess
beforeAll(async () => {
  own = await startOwnEngine(join(folder, 'engine'), connectEngine({ dockerHost: DOCKER_HOST ?? '' }))
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: {
      REDIS_URL,
      DOCKER_HOST: own.dockerHost,
      TAXIWAY_REGISTRY,
      TAXIWAY_BUILD_CGROUP: own.cgroup,
      TAXIWAY_WORK_SUBNET: '10.216.0.0/16',
    },
    name: `acme/flood-${process.pid}`,
    roles: ['api', 'status'],
    say: () => {},
  })
  builder = await world.taxiway.start(['builder'])
})
afterAll(async () => {
  await world?.stop()
  await own?.stop()
  rmSync(folder, { recursive: true, force: true })
})
oracleAfterEach(() => world.observed)

const dockerfile = 'FROM busybox:stable\nCOPY www /www\n'
const testing = (...run: string[]) =>
  JSON.stringify({ version: 1, images: { web: {} }, test: { flood: { image: 'web', run, timeout: '100s' } } })
const rssMb = (): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${builder.child.pid}/status`, 'utf8'))?.[1]) / 1024

async function play(title: string, ...run: string[]) {
  const { runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': testing(...run) }, title)
  let peakMb = 0
  const watch = setInterval(() => {
    peakMb = Math.max(peakMb, rssMb())
  }, 50)
  try {
    // Asked now and then, not as fast as can be: what is measured is the builder.
    for (const until = Date.now() + 120_000; Date.now() < until; ) {
      const { body } = await world.taxiway.call('GET', `/runs/${runId}`)
      if (isOver(body)) return { run: body, runId, peakMb, log: await world.taxiway.log(runId) }
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    throw new Error(`run ${runId} did not end`)
  } finally {
    clearInterval(watch)
  }
}
/** What a run that prints next to nothing takes at its peak: a reading at rest is 20 MB up or down, by when memory was last cleared. */
let usualMb = 0

test.each([
  ['nothing much, to be warm', 'true', 0],
  ['100 MB on one line', "head -c 100000000 /dev/zero | tr '\\000' x", 95],
  ['100 MB of NUL, which is not kept', 'head -c 100000000 /dev/zero', 0],
  ['100 MB of no encoding at all', 'head -c 100000000 /dev/urandom', 95],
  ['a million short lines', 'seq 1000000', 0],
])('%s: exit code, first and last words, and memory of the builder', async (title, flood, mib) => {
  const { run, log, peakMb } = await play(title, 'echo first words', flood, 'echo; echo last words; exit 3')
  expect(run).toMatchObject({ state: 'failed', attempt: 1, reason: { code: 'test_failed' } })
  expect(run.reason.message).toContain('exit code 3: last words')
  expect(log).toContain('first words')
  expect(log).toContain('last words')
  if (mib) expect(log).toMatch(/\[log truncated: 8\.0 MiB kept of/)
  usualMb ||= peakMb
  expect(peakMb - usualMb).toBeLessThan(50)
})
