import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { checkImage, haveImage } from '@taxiway/docker/release/image.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'
import { makeWorld } from '../../world/make-world.ts'
import { account, startPrivateRegistry } from '../../world/private-registry.ts'
import { isOver } from '../../world/taxiway.ts'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const signal = new AbortController().signal
const wrong = { ...account, password: 'wrong-password-1' }
const local = `taxiway-test/private:${process.pid}`
let folder: string
let registry: Awaited<ReturnType<typeof startPrivateRegistry>>
let base: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-private-'))
  registry = await startPrivateRegistry(join(folder, 'registry'))
  base = `${registry.host}/base/tools`
  expect(await push('busybox:stable', account)).toMatchObject({ ok: true })
})
afterAll(async () => {
  await removeImage(engine, local)
  await registry.stop()
  rmSync(folder, { recursive: true, force: true })
})

const push = (imageId: string, auth: RegistryAuth) =>
  pushImage(engine, { imageId, repository: base, tag: 'one', auth, signal, deadlineMs: 30_000 })

async function build(auths: Record<string, RegistryAuth>, from = `${base}:one`) {
  const context = mkdtempSync(join(folder, 'context-'))
  writeFileSync(join(context, 'Dockerfile'), `FROM ${from}\nRUN echo ${Date.now()} > /built\n`)
  const packed = await packContext({ folder: context, subfolder: '.', dockerfile: 'Dockerfile', maxMb: 1, maxFiles: 9 })
  if (!packed.ok) throw new Error(packed.reason.message)
  const lines: string[] = []
  const onLine = ({ text }: { text: string }) => void lines.push(text)
  const order = { image: 'web', tags: [local], cacheMounts: 'private', auths, signal, deadlineMs: 60_000, onLine }
  return { built: await buildImage(engine, { ...order, context: packed.value }), lines: lines.join('\n') }
}

test('a private base image is built from with the credentials of its registry, and only with them', async () => {
  const refused = { ok: false, reason: { code: 'registry_auth_failed' } }
  for (const auths of [{}, { 'other.example.com': account }, { [registry.host]: wrong }]) {
    const { built } = await build(auths)
    expect(built).toMatchObject(refused)
    expect(built.ok ? '' : built.reason.message).toContain(`Registry ${registry.host} refused`)
    expect(built.ok ? '' : built.reason.message).toContain(`${base}:one`)
  }
  const { built, lines } = await build({ [registry.host]: account })
  expect(built).toMatchObject({ ok: true })
  expect(lines).not.toContain(account.password)
  const history = JSON.stringify([
    await engine.docker.getImage(local).history(),
    await engine.docker.getImage(local).inspect(),
  ])
  expect(history).not.toMatch(/correct-horse|taxi:/)
})

test('a base image that is not there is named with its registry', async () => {
  const { built } = await build({ [registry.host]: account }, `${registry.host}/base/none:one`)
  const message = `Image ${registry.host}/base/none:one could not be found at ${registry.host}.`
  expect(built).toEqual({ ok: false, reason: { code: 'image_not_found', message } })
})

test('pull and push say which registry refused which image', async () => {
  const image = `${base}:one`
  const pull = (auth?: RegistryAuth, name = image) => pullImage(engine, name, { auth, signal, deadlineMs: 30_000 })
  for (const auth of [undefined, wrong]) {
    const pulled = await pull(auth)
    expect(pulled).toMatchObject({ ok: false, reason: { code: 'registry_auth_failed' } })
    expect(pulled.ok ? '' : pulled.reason.message).toBe(
      `Registry ${registry.host} refused the credentials for image ${image}.`,
    )
  }
  expect(await pull(account)).toMatchObject({ ok: true })
  await removeImage(engine, image)
  expect(await pull(account, `${base}:two`)).toMatchObject({
    ok: false,
    reason: { code: 'image_not_found', message: `Image ${base}:two could not be found at ${registry.host}.` },
  })
  expect(await push('busybox:stable', wrong)).toMatchObject({ ok: false, reason: { code: 'registry_auth_failed' } })
})

test('the docker target asks for and pulls private images with the credentials of their registry', async () => {
  const image = `${base}:one`
  const heard: [string, boolean][] = []
  const as = (auths: Record<string, RegistryAuth>) => ({
    engine,
    registryAuths: async () => auths,
    onImage: async (name: string, wasPulled: boolean) => void heard.push([name, wasPulled]),
  })
  const work = { deadlineMs: 30_000, signal, say: () => {} }
  const workload = { name: 'web', image, replacesEntrypoint: false } as Parameters<typeof haveImage>[1]
  const refused = { ok: false, reason: { code: 'registry_auth_failed' } }
  for (const auths of [{}, { [registry.host]: wrong }]) {
    expect(await checkImage(as(auths), image, work)).toMatchObject(refused)
    expect(await haveImage(as(auths), workload, work)).toMatchObject(refused)
  }
  const known = as({ [registry.host]: account })
  expect(await checkImage(known, image, work)).toMatchObject({ ok: true })
  expect(heard).toEqual([])
  expect(await haveImage(known, workload, work)).toMatchObject({ ok: true })
  expect(await haveImage(known, workload, work)).toMatchObject({ ok: true })
  expect(heard).toEqual([
    [image, true],
    [image, false],
  ])
  await removeImage(engine, image)
})

test('a run builds from and publishes to a private registry, and the password is in no file, log or argument', async () => {
  const redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  const world = await makeWorld({
    folder: join(folder, 'world'),
    environment: {
      REDIS_URL: redis.address,
      DOCKER_HOST: process.env.DOCKER_HOST,
      TAXIWAY_REGISTRY: `${registry.host}/shop`,
    },
    target: 'docker',
    name: `acme/private-${process.pid}`,
    say: () => {},
  })
  try {
    const { taxiway, repository } = world
    // Never the same twice, as the engine keeps what it has built.
    const value = `a-value-of-a-secret-${randomBytes(4).toString('hex')}`
    const put = (path: string, body: object) => taxiway.call('PUT', path, body).then(({ status }) => status)
    expect(await put(`/registries/${registry.host}`, { user: account.username, password: account.password })).toBe(204)
    expect(await put(`/repos/${repository.id}/secrets/API_KEY`, { value })).toBe(204)
    const dockerfile = (more: string) =>
      `FROM ${base}:one\nCOPY serve.sh test.sh /app/\nCOPY www /www\n${more}\nCMD ["sh", "/app/serve.sh"]\n`
    const printed = `RUN cat /www/printed; printf %s '${value}' | base64`
    const files = { Dockerfile: dockerfile(printed), 'www/printed': `${account.password} ${value}\n` }
    const first = await world.push(files, 'From a private base')
    const run = await taxiway.waitRun(first.runId, isOver, 90_000)
    const log = await taxiway.log(first.runId)
    expect([run.state, log]).toEqual(['succeeded', expect.stringContaining('*** ***')])
    expect(log).not.toContain(value)
    expect(log).not.toContain(Buffer.from(value).toString('base64'))
    expect(run.images[0].reference).toContain(`${registry.host}/shop/`)
    const commands = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => {
        try {
          return readFileSync(`/proc/${name}/cmdline`, 'utf8')
        } catch {
          return ''
        }
      })
    expect(commands.join('\n')).not.toContain(account.password)

    expect(await put(`/registries/${registry.host}`, { user: account.username, password: wrong.password })).toBe(204)
    const second = await world.push({ 'www/index.html': 'second\n' }, 'With a wrong password')
    const refused = await taxiway.waitRun(second.runId, isOver, 90_000)
    expect(refused).toMatchObject({ state: 'errored', reason: { code: 'registry_auth_failed' } })
    expect(refused.reason.message).toContain(registry.host)
    const listed = await taxiway.call('GET', '/registries')
    expect(listed.body.items).toEqual([{ host: registry.host, user: 'taxi', updatedAt: expect.any(String) }])
    // Whatever Redis wrote, and whatever the processes said.
    const connection = new Redis(redis.address)
    await connection.save()
    connection.disconnect()
    for (const place of [join(folder, 'parts'), join(folder, 'world', 'taxiway')])
      for (const file of readdirSync(place, { recursive: true, encoding: 'utf8' }).map((name) => join(place, name)))
        if (statSync(file).isFile())
          // The repository itself says it.
          for (const hidden of [account.password, wrong.password, value])
            if (!/\/(mirrors|spares)\//.test(file))
              expect([file, readFileSync(file).includes(hidden)]).toEqual([file, false])
  } finally {
    await world.stop()
    await redis.stop()
  }
})
