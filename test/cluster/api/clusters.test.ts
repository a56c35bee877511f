import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { startRedis } from '../../../deploy/local/redis.ts'
import { type Account, makeAccount } from '../../world/account.ts'
import { makeWorld } from '../../world/make-world.ts'
import { freePort, isOver } from '../../world/taxiway.ts'

const admin = parse(readFileSync(process.env.KUBECONFIG ?? '', 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'taxiway-clusters-'))
let redis: Awaited<ReturnType<typeof startRedis>>
let world: Awaited<ReturnType<typeof makeWorld>>
let account: Account | undefined
beforeAll(async () => {
  redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  world = await makeWorld({
    folder: join(folder, 'world'),
    environment: {
      REDIS_URL: redis.address,
      DOCKER_HOST: process.env.DOCKER_HOST,
      TAXIWAY_REGISTRY: process.env.TAXIWAY_REGISTRY,
      KUBECONFIG: process.env.KUBECONFIG,
    },
    target: 'kubernetes',
    name: `acme/clusters-${process.pid}`,
    say: () => {},
  })
})
afterAll(async () => {
  await world?.stop()
  account?.remove()
  await redis?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The kubeconfig of the test's cluster with other things of its only user or cluster. */
const kubeconfig = (user: object = {}, cluster: object = {}) => {
  const copy = structuredClone(admin)
  Object.assign(copy.users[0].user, user)
  Object.assign(copy.clusters[0].cluster, cluster)
  return JSON.stringify(copy)
}
const token = (admin.users[0].user.token ?? admin.users[0].user['client-key-data']) as string
const wrongToken = `wrong-token-${process.pid}-${Date.now()}`
const put = (name: string, body: object) => world.taxiway.call('PUT', `/clusters/${name}`, body)
const run = async (files: Record<string, string | undefined>, message: string) => {
  const { runId } = await world.push(files, message)
  const ended = await world.taxiway.waitRun(runId, isOver, 120_000)
  return { ...ended, log: await world.taxiway.log(runId) }
}

test.each([
  ['a program', kubeconfig({ token: undefined, exec: { command: 'touch', args: ['/tmp/owned'] } }), /runs a program/],
  ['a program of a provider', kubeconfig({ 'auth-provider': { name: 'gcp' } }), /auth-provider/],
  ['a file of a token', kubeconfig({ tokenFile: '/etc/passwd' }), /tokenFile names a file/],
  ['a file of a key', kubeconfig({ 'client-key': '/etc/passwd' }), /client-key names a file/],
  ['a file of authorities', kubeconfig({}, { 'certificate-authority': '/etc/passwd' }), /names a file/],
  ['no trust', kubeconfig({}, { 'insecure-skip-tls-verify': true }), /trust anybody/],
  ['plain HTTP', kubeconfig({}, { server: 'http://127.0.0.1:8080' }), /https/],
  ['another person', kubeconfig({ as: 'admin' }), /the key as/],
  ['no YAML', `a: [${token}`, /not one document of plain YAML/],
])('a kubeconfig with %s is refused, and nothing of it is quoted', async (_what, text, why) => {
  const { status, body } = await put('bad', { kubeconfig: text, force: true })
  expect([status, body.error?.code]).toEqual([400, 'kubeconfig_refused'])
  expect(body.error.message).toMatch(why)
  expect(JSON.stringify(body)).not.toContain(token)
  expect((await world.taxiway.call('GET', '/clusters/bad')).status).toBe(404)
})

test('a cluster is looked at before it is registered, and what was found is told in plain words', async () => {
  const { status, body } = await put('local', { kubeconfig: kubeconfig(), namespace: 'shop' })
  expect([status, body.check?.usable]).toEqual([200, true])
  expect(body).toMatchObject({ name: 'local', server: expect.stringMatching(/^https:/) })
  expect(body.check.version).toMatch(/^v1\./)
  expect(body.check.lacks).toEqual(['the namespace itself, which is not there'])
  expect(body.check.warnings).toEqual(['do anything in every namespace'])
  expect(body.check.words.join('\n')).toMatch(/answers: Kubernetes v1\.[\s\S]*More power than roll-outs need/)
  const again = await world.taxiway.call('POST', '/clusters/local/check', {})
  expect([again.status, again.body.check.usable, again.body.check.lacks]).toEqual([200, true, []])
})

test('one that does not answer, or does not take the credentials, is registered only by force', async () => {
  const away = kubeconfig({}, { server: `https://127.0.0.1:${await freePort()}` })
  const refused = await put('away', { kubeconfig: away })
  expect([refused.status, refused.body.error?.code]).toEqual([409, 'cluster_unusable'])
  expect(refused.body.error.message).toMatch(/did not answer for \d+ s/)
  const stranger = await put('away', { kubeconfig: kubeconfig({ token: wrongToken }) })
  expect(stranger.body.error?.message).toMatch(/credentials are not accepted/)
  const forced = await put('away', { kubeconfig: away, force: true })
  expect([forced.status, forced.body.check.usable]).toEqual([200, false])
  expect((await world.taxiway.call('DELETE', '/clusters/away')).status).toBe(204)
  const inside = await put('inside', { inCluster: true })
  expect(inside.body.error?.message).toContain('this deployer does not run in a cluster')
})

test('a release goes to the registered cluster of its repository, with credentials as they were written last', async () => {
  const { id } = world.repository
  const patched = await world.taxiway.call('PATCH', `/repos/${id}`, { deploy: { cluster: 'local' } })
  expect(patched.status).toBe(200)
  const first = await run({}, 'To a registered cluster')
  expect([first.state, first.reason]).toEqual(['succeeded', undefined])
  expect(first.log).toMatch(/target kubernetes, cluster local, namespace/)

  expect((await put('local', { kubeconfig: kubeconfig({ token: wrongToken }), force: true })).status).toBe(200)
  const second = await run({ 'www/more.html': 'two\n' }, 'With a token that is no more')
  expect([second.state, second.reason?.code]).toEqual(['errored', 'cluster_forbidden'])

  expect((await put('local', { kubeconfig: kubeconfig() })).status).toBe(200)
  expect(await run({ 'www/more.html': 'three\n' }, 'With a new token')).toMatchObject({ state: 'succeeded' })
  const removed = await world.taxiway.call('DELETE', '/clusters/local')
  expect([removed.status, removed.body.error?.code]).toEqual([409, 'cluster_in_use'])
})

test('a file may name only the clusters that an admin gave its repository, and no rule is overruled by it', async () => {
  const { id } = world.repository
  const file = readFileSync(join(world.tree, '.taxiway.yaml'), 'utf8')
  const naming = { '.taxiway.yaml': file.replace(/(namespace: )/, 'cluster: second, $1') }
  expect(naming['.taxiway.yaml']).toContain('cluster: second')
  // By an account that may only what a roll-out needs, made as the guide says.
  account = await makeAccount(`taxiway-clusters-${process.pid}`, [world.namespace])
  const limited = readFileSync(account.kubeconfig, 'utf8')
  const second = await put('second', { kubeconfig: limited, namespace: world.namespace })
  expect(second.body.check).toMatchObject({
    usable: true,
    user: `system:serviceaccount:taxiway-clusters-${process.pid}:taxiway-deployer`,
    lacks: [],
    warnings: [],
  })
  const elsewhere = await world.taxiway.call('POST', '/clusters/second/check', { namespace: 'kube-system' })
  expect(elsewhere.body.check.lacks).toContain('get, list, watch, create, patch, delete deployments')
  const refused = await run(naming, 'Name another cluster')
  expect([refused.state, refused.reason?.code]).toEqual(['failed', 'cluster_not_allowed'])

  const deploy = { cluster: 'local', clusters: ['second'] }
  expect((await world.taxiway.call('PATCH', `/repos/${id}`, { deploy })).status).toBe(200)
  const gone = await run({ 'www/more.html': 'four\n' }, 'Name a cluster that was given')
  expect(gone).toMatchObject({ state: 'succeeded' })
  expect(gone.log).toContain('cluster second')

  const environment = gone.releases[0].environment
  const rule = (body: object) => world.taxiway.call('PUT', `/repos/${id}/environments/${environment}`, body)
  expect((await rule({ cluster: 'local' })).status).toBe(200)
  const ruled = await run({ 'www/more.html': 'five\n' }, 'Against a rule')
  expect([ruled.reason?.code, ruled.reason?.message]).toEqual([
    'cluster_not_allowed',
    expect.stringContaining('an admin ruled local'),
  ])
  expect((await rule({})).status).toBe(200)
})

test('no answer, log, record, file or event has the credentials', async () => {
  const answers = [await world.taxiway.call('GET', '/clusters'), await world.taxiway.call('GET', '/clusters/local')]
  expect(answers.map(({ status }) => status)).toEqual([200, 200])
  const connection = new Redis(redis.address)
  await connection.save()
  connection.disconnect()
  const files = [join(folder, 'parts'), join(folder, 'world', 'taxiway')].flatMap((place) =>
    readdirSync(place, { recursive: true, encoding: 'utf8' }).map((name) => join(place, name)),
  )
  const texts = files.filter((file) => statSync(file).isFile()).map((file) => [file, readFileSync(file)] as const)
  expect(texts.length).toBeGreaterThan(3)
  for (const secret of [token, wrongToken, Buffer.from(token).toString('base64')]) {
    expect(JSON.stringify(answers)).not.toContain(secret)
    expect(texts.filter(([, bytes]) => bytes.includes(secret)).map(([file]) => file)).toEqual([])
  }
})
