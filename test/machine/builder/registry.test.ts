// Slow: the engine itself tries an upload for 50 s before it gives up, and Taxiway asks it twice.
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
type Answer = (asked: IncomingMessage, answer: ServerResponse) => unknown
let world: Awaited<ReturnType<typeof makeWorld>>
let server: Server
let registry = ''
/** What the registry does for the test that runs. */
let answering: Answer
/** How often a push began: each asks `/v2/` first. */
let begun = 0

beforeAll(async () => {
  server = createServer((asked, answer) => {
    if (asked.url === '/v2/') begun++
    answering(asked, answer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  registry = `127.0.0.1:${(server.address() as AddressInfo).port}`
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-refused-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY: registry },
    name: `acme/refused-${process.pid}`,
    say: () => {},
  })
})
beforeEach(() => {
  begun = 0
})
afterAll(async () => {
  await world?.stop()
  server.closeAllConnections()
  server.close()
})
oracleAfterEach(() => world.observed)

const refusing =
  (status: number, headers: Record<string, string> = {}): Answer =>
  (asked, answer) => {
    asked.resume()
    answer.writeHead(status, headers).end()
  }
/** Hands on to the real registry; the name it is asked by stays, as it answers with links to itself. */
const forwarding: Answer = (asked, answer) => {
  const [hostname, port] = (TAXIWAY_REGISTRY ?? '').split('/')[0]?.split(':') ?? []
  const { method, url: path, headers } = asked
  const onward = request({ hostname, port, method, path, headers }, (answered) => {
    answer.writeHead(answered.statusCode ?? 502, answered.headers)
    answered.pipe(answer)
  })
  onward.on('error', () => answer.destroy())
  asked.pipe(onward)
}
const builds = (log: string) => log.match(/building image web/g)?.length

/** The reason stands on the run, in the log and in the status `error`. */
async function expectReason(sha: string, runId: string, code: string, sentence: RegExp) {
  const run = await world.taxiway.waitRun(runId, isOver, 150_000)
  expect(run).toMatchObject({ state: 'errored', reason: { code, message: expect.stringMatching(sentence) } })
  const log = await world.taxiway.log(runId)
  expect(log).toMatch(new RegExp(`✗ ${sentence.source}.*\\[${code}\\]`))
  await eventually(async () => {
    const held = Object.values(await world.statuses(sha))
    expect(held.some(({ state, description }) => state === 'error' && sentence.test(description))).toBe(true)
    expect(held.filter(({ state }) => state === 'pending')).toEqual([])
  }, 15_000)
  return { run, log }
}

test('a registry that answers 500 to everything is tried again once, and then named', async () => {
  answering = refusing(500)
  const { sha, runId } = await world.push({}, 'Meet a broken registry')
  const sentence = new RegExp(`Registry ${registry} failed: .*500`)
  const { run, log } = await expectReason(sha, runId, 'registry_unavailable', sentence)
  expect(run.attempt).toBe(2)
  expect(begun).toBe(2)
  // The engine waits four times for each of three layers; its countdown is not written down.
  expect(log.match(/Retrying in/g)?.length).toBeLessThanOrEqual(2 * 4 * 3)
})

test('a registry that refuses the credentials is not asked again', async () => {
  answering = refusing(401, { 'www-authenticate': 'Basic realm="private"' })
  const { sha, runId } = await world.push({}, 'Meet a locked registry')
  const sentence = new RegExp(`Registry ${registry} refused the credentials`)
  const { run, log } = await expectReason(sha, runId, 'registry_auth_failed', sentence)
  expect(run.attempt).toBe(1)
  expect(begun).toBeLessThanOrEqual(2)
  expect(log).not.toContain('trying again')
})

test('a registry that refuses only at first is pushed to again, without a new build', async () => {
  let refused = 0
  answering = (asked, answer) => {
    if (begun <= 2) return asked.socket.destroy()
    const isRefused = asked.method === 'POST' && refused++ < 3
    ;(isRefused ? refusing(503) : forwarding)(asked, answer)
  }
  const { sha, runId } = await world.push({}, 'Meet a registry that starts')
  const run = await world.taxiway.waitRun(runId, isOver, 90_000)
  expect(run).toMatchObject({ state: 'succeeded', attempt: 1 })
  const log = await world.taxiway.log(runId)
  expect([builds(log), log.match(/push failed, trying again/g)?.length]).toEqual([1, 2])
  expect(log).toContain('Retrying in')
  expect(await world.visit()).toContain('version 1')
  await eventually(async () => {
    const held = Object.values(await world.statuses(sha))
    expect(held.map(({ state }) => state)).toEqual(held.map(() => 'success'))
  }, 15_000)
})
