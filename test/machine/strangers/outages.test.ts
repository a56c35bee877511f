import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { commitAndPush } from '../../git-host/push.ts'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { check, eventually, writeFiles } from '../../world/world.ts'

type Answer = (asked: IncomingMessage, answer: ServerResponse) => unknown
let images: ImageWorld
let server: Server
let registry = ''
let answering: Answer

/** Hands on to the real registry. */
const forwarding: Answer = (asked, answer) => {
  const [hostname, port] = (process.env.TAXIWAY_REGISTRY ?? '').split('/')[0]?.split(':') ?? []
  const { method, url: path, headers } = asked
  const onward = request({ hostname, port, method, path, headers }, (answered) => {
    answer.writeHead(answered.statusCode ?? 502, answered.headers)
    answered.pipe(answer)
  })
  onward.on('error', () => answer.destroy())
  asked.pipe(onward)
}
const hangingUp: Answer = (asked) => asked.socket.destroy()

beforeAll(async () => {
  server = createServer((asked, answer) => answering(asked, answer)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  registry = `127.0.0.1:${(server.address() as AddressInfo).port}`
  images = await makeImageWorld('outages', {
    environment: { TAXIWAY_REGISTRY: registry, TAXIWAY_RETRY_PAUSES_MS: '500,1000,2000' },
  })
})
afterEach(() => images.world.host.setFault({ mode: 'ok' }))
afterAll(async () => {
  await images?.stop()
  server.closeAllConnections()
  server.close()
})

const pipeline = JSON.stringify({ version: 1, images: { web: {} } })
const push = async (dockerfile: string) => {
  const files = { Dockerfile: dockerfile, '.taxiway.yaml': pipeline }
  return (await images.world.push(files, 'Change')).runId
}
const until = (id: string, condition: (run: any) => boolean) => images.world.taxiway.waitRun(id, condition, 90_000)
const waits = (run: any) => run.waiting?.for === 'retry'

test('a git host that says when to come back is asked again then, and the run says so meanwhile', async () => {
  answering = forwarding
  const id = await pushedWhileAway()
  const waiting = await until(id, waits)
  expect([waiting.state, waiting.stages[0].state]).toEqual(['queued', 'pending'])
  expect(waiting.waiting.message).toMatch(
    /^Waiting until \d\d:\d\d:\d\d UTC to try again\. .* could not be fetched from: .*429/,
  )
  const restMs = Date.parse(waiting.waiting.until) - Date.now()
  expect(restMs).toBeGreaterThan(2000)
  images.world.host.setFault({ mode: 'ok' })
  expect(await until(id, isOver)).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(await images.world.taxiway.log(id)).toMatch(/✗ .*429.* \[git_unavailable\]\n.*tried again at 20/)
})

test('a registry that is away for some seconds ends no run', async () => {
  answering = hangingUp
  const id = await push(`FROM busybox:stable\nRUN echo ${process.pid}\n`)
  await until(id, waits)
  answering = forwarding
  expect(await until(id, isOver)).toMatchObject({ state: 'succeeded' })
})

test('a base image whose registry asks for patience is no fault of the code', async () => {
  answering = (asked, answer) => {
    asked.resume()
    answer.writeHead(asked.url === '/v2/' ? 200 : 429).end()
  }
  const run = await until(await push(`FROM ${registry}/node:24\n`), isOver)
  expect(run).toMatchObject({ state: 'errored', attempt: 4, reason: { code: 'registry_unavailable' } })
  expect(run.reason.message).toContain(`Registry ${registry} failed: `)
  expect(run.reason.message).toContain('429 Too Many Requests')
})

test('a registry that says when to come back is asked again then', async () => {
  const errors = [{ code: 'TOOMANYREQUESTS', message: 'retry-after: 4s, allowed: 44000/minute' }]
  answering = (asked, answer) => {
    asked.resume()
    answer.writeHead(asked.url === '/v2/' ? 200 : 429, { 'content-type': 'application/json' })
    answer.end(JSON.stringify({ errors }))
  }
  const unit = { image: `${registry}/node:24`, run: ['true'] }
  const text = JSON.stringify({ version: 1, test: { unit } })
  const id = (await images.world.push({ '.taxiway.yaml': text }, 'Test elsewhere')).runId
  const waiting = (await until(id, waits)).waiting
  expect(waiting.message).toContain('retry-after: 4s')
  expect(Date.parse(waiting.until) - Date.now()).toBeGreaterThan(2000)
})

test('a base image that is not there is, at once', async () => {
  answering = forwarding
  const run = await until(await push(`FROM ${registry}/no-such-image:24\n`), isOver)
  expect(run).toMatchObject({ state: 'failed', attempt: 1, reason: { code: 'image_not_found' } })
})

/** A push itself speaks git: the host is away for whoever fetches, once it has it. */
async function pushedWhileAway(): Promise<string> {
  const { host, tree, pushUrl, repository, taxiway } = images.world
  writeFiles(tree, { Dockerfile: `FROM busybox:stable\nRUN echo git ${process.pid}\n`, '.taxiway.yaml': pipeline })
  host.setFault({ mode: 'slow', delayMs: 1500, only: 'hooks' })
  const sha = await commitAndPush(tree, { url: pushUrl, message: 'Meet a busy host' })
  host.setFault({ mode: '429', retryAfterS: 4, only: 'git' })
  return eventually(async () => {
    const { body } = await taxiway.call('GET', `/runs?repo=${repository.id}&sha=${sha}`)
    check(body.items?.length > 0, 'the run')
    return body.items[0].id
  }, 10_000)
}
