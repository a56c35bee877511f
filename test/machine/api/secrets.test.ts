import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newId, type RepositoryId } from '@taxiway/domain/ids.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore } from '@taxiway/store/store.ts'
import { hiddenValues } from '@taxiway/worker/hidden-values.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { secretValues } from '../../../services/builder/secret-values.ts'
import { makeTaxiway, type Taxiway } from '../../world/taxiway.ts'

const secretKey = randomBytes(32)
const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey })
let taxiway: Taxiway
let id: RepositoryId
beforeAll(async () => {
  await waitReady(store.redis, 5000)
  taxiway = await makeTaxiway({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-secrets-')),
    environment: {
      REDIS_URL: process.env.REDIS_URL,
      TAXIWAY_SECRET_KEY: secretKey.toString('hex'),
      TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9',
    },
  })
  await taxiway.start(['api'])
  const url = `http://127.0.0.1:9/acme/${randomBytes(6).toString('hex')}.git`
  id = (await taxiway.call('POST', '/repos', { host: 'github', url, token: 'a-git-token' })).body.id
})
afterAll(async () => {
  await taxiway.stop()
  await store.close()
})
const path = (name: string) => `/repos/${id}/secrets/${name}`
const put = (name: string, value: unknown) => taxiway.call('PUT', path(name), { value })
const registries = async () =>
  (await taxiway.call('GET', '/registries')).body.items.filter(({ user }: { user: string }) => user === 'secrets-test')

test('a secret is written, named, used by builders, replaced and removed, and never shown', async () => {
  expect(await put('API_KEY', 'the first value')).toMatchObject({ status: 204, body: '' })
  expect(await put('API_KEY', 'the second value')).toMatchObject({ status: 204 })
  expect(await put('PEM', `${'line of a key\n'.repeat(500)}`)).toMatchObject({ status: 204 })
  const short = await put('PIN', '12345')
  expect(short).toMatchObject({ status: 200, body: { warning: expect.stringContaining("can't be hidden") } })
  const listed = await taxiway.call('GET', `/repos/${id}/secrets`)
  expect(listed.body.items.map(({ name }: { name: string }) => name)).toEqual(['API_KEY', 'PEM', 'PIN'])
  expect(JSON.stringify([listed.body, (await taxiway.call('GET', `/repos/${id}`)).body])).not.toMatch(/value|line of/)
  expect(await secretValues(store, { repo: id }, ['API_KEY', 'PIN'])).toEqual({
    ok: true,
    value: { API_KEY: 'the second value', PIN: '12345' },
  })
  expect(await secretValues(store, { repo: id }, ['API_KEY', 'NO_SUCH'])).toMatchObject({
    ok: false,
    reason: { code: 'secret_missing', message: expect.stringContaining('NO_SUCH') },
  })
  expect(await hiddenValues(store, id)).toEqual(expect.arrayContaining(['a-git-token', 'the second value', '12345']))
  expect((await taxiway.call('DELETE', path('PIN'))).status).toBe(204)
  expect((await taxiway.call('DELETE', path('PIN'))).status).toBe(404)
  expect(await store.repositorySecrets.value(id, 'PIN')).toBeUndefined()
})

test('a sealed value is of use only under its own name and repository', async () => {
  const other = newId<RepositoryId>('repo', randomBytes)
  await put('BOUND', 'bound to its place')
  const sealed = (await store.redis.hget(keys.repositorySecrets(id), 'BOUND')) as string
  expect(sealed).not.toContain('bound to')
  await store.redis.hset(keys.repositorySecrets(other), 'BOUND', sealed)
  await store.redis.hset(keys.repositorySecrets(id), 'COPY', sealed)
  await expect(store.repositorySecrets.value(other, 'BOUND')).rejects.toThrow('belongs to')
  await expect(store.repositorySecrets.value(id, 'COPY')).rejects.toThrow('belongs to')
  await store.redis.del(keys.repositorySecrets(other))
  await store.redis.hdel(keys.repositorySecrets(id), 'COPY')
})

test.each(['1A', 'a-b', 'a b', 'x'.repeat(101), 'ä', '%2e%2e'])('%s is no name of a secret', async (name) => {
  expect(await put(encodeURI(name), 'a value')).toMatchObject({
    status: 400,
    body: { error: { code: 'input_invalid' } },
  })
})
test.each([
  ['empty', ''],
  ['larger than 64 KiB', 'x'.repeat(65_537)],
  ['larger than 64 KiB in bytes', 'ä'.repeat(40_000)],
  ['no text', { a: 1 }],
])('a value that is %s is refused', async (_what, value) => {
  expect(await put('BAD', value)).toMatchObject({ status: 400, body: { error: { code: 'input_invalid' } } })
})

test('a repository has so many secrets and no more', async () => {
  const url = `http://127.0.0.1:9/acme/${randomBytes(6).toString('hex')}.git`
  const full = (await taxiway.call('POST', '/repos', { host: 'github', url })).body.id as RepositoryId
  for (let index = 0; index < 2; index++) await store.repositorySecrets.set(full, `BIG_${index}`, 'x'.repeat(65_536))
  expect(await store.repositorySecrets.set(full, 'ONE_MORE', 'x')).toMatchObject({ ok: false })
  expect(await store.repositorySecrets.set(full, 'BIG_1', 'small now')).toMatchObject({ ok: true })
  expect(await store.repositorySecrets.set(full, 'ONE_MORE', 'x')).toMatchObject({ ok: true })
  expect((await taxiway.call('DELETE', `/repos/${full}`)).status).toBe(204)
  expect(await store.redis.exists(keys.repositorySecrets(full))).toBe(0)
  expect(await store.repositorySecrets.set(full, 'LATE', 'x')).toMatchObject({
    ok: false,
    reason: { code: 'not_found' },
  })
  expect((await taxiway.call('PUT', `/repos/${full}/secrets/LATE`, { value: 'x' })).status).toBe(404)
})

test('credentials of a registry are kept per host, and never shown', async () => {
  const credentials = { user: 'secrets-test', password: 'a-registry-password' }
  for (const host of ['registry.example.com:5000', 'index.docker.io'])
    expect((await taxiway.call('PUT', `/registries/${host}`, credentials)).status).toBe(204)
  const hosts = ['docker.io', 'registry.example.com:5000']
  expect((await registries()).map(({ host }: { host: string }) => host)).toEqual(hosts)
  expect(JSON.stringify(await registries())).not.toContain('a-registry-password')
  const configured = { prefix: 'registry.example.com:5000/team', user: 'u', password: 'configured' }
  const both = await store.registries.credentials({ ...configured, prefix: 'other.example.com/team' })
  expect(both).toMatchObject({
    'other.example.com': { username: 'u', password: 'configured' },
    'registry.example.com:5000': { username: 'secrets-test', password: 'a-registry-password' },
  })
  expect((await store.registries.credentials(configured))['registry.example.com:5000']?.username).toBe('secrets-test')
  for (const host of hosts) expect((await taxiway.call('DELETE', `/registries/${host}`)).status).toBe(204)
  expect((await taxiway.call('DELETE', '/registries/docker.io')).status).toBe(404)
  for (const host of ['a/b', 'http:%2f%2fa', '-a.com', 'a:b', 'a..b', 'user@a.com', 'a:123456'])
    expect([host, (await taxiway.call('PUT', `/registries/${host}`, credentials)).status]).toEqual([
      host,
      host === 'a/b' ? 404 : 400,
    ])
})
