// Slow: it builds the image as people build it, on a new machine with a base made from Debian first.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { variables } from '@taxiway/chassis/config.ts'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { freePort } from '../../../deploy/local/process.ts'
import { type StartedRedis, startRedis } from '../../../deploy/local/redis.ts'
import { buildShippedImage } from '../../world/shipped-image.ts'
import { eventually } from '../../world/world.ts'

const root = resolve(import.meta.dirname, '../..', '..')
const dockerHost = process.env.DOCKER_HOST ?? ''
const docker = new Docker({ socketPath: dockerHost.replace(/^unix:\/\//, '') })
const tag = `taxiway-test/image:${process.pid}`
let folder: string
let redis: StartedRedis

/** Runs the image to its end. */
async function run(command: string[], more: Docker.ContainerCreateOptions = {}) {
  const container = await docker.createContainer({ Image: tag, Cmd: command, Tty: true, ...more })
  try {
    const output = await container.attach({ stream: true, stdout: true, stderr: true })
    const chunks: Buffer[] = []
    output.on('data', (chunk: Buffer) => chunks.push(chunk))
    await container.start()
    const { StatusCode } = await container.wait()
    return { code: StatusCode as number, text: Buffer.concat(chunks).toString() }
  } finally {
    await container.remove({ force: true })
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-image-'))
  redis = await startRedis({ folder, say: () => {} }, { fresh: true })
  await buildShippedImage(tag)
}, 900_000)
afterAll(async () => {
  await redis?.stop()
  await docker
    .getImage(tag)
    .remove({ force: true })
    .catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
})

test('the image takes the role as its argument, and runs as nobody special', async () => {
  const help = await run(['--help'])
  expect(help).toMatchObject({ code: 0, text: expect.stringContaining('Roles: api, builder, deployer, status') })
  const unknown = await run(['pilot'])
  expect(unknown).toMatchObject({ code: 1, text: expect.stringContaining('There is no role pilot') })
  const { Config } = await docker.getImage(tag).inspect()
  expect([Config.User, Config.Cmd]).toEqual(['1000:1000', ['api', 'builder', 'deployer', 'proxy', 'status']])
})

test('the image holds git and what runs, but no tests and no tools of development', async () => {
  const listing = await run(
    ['-c', 'git --version && cd /opt/taxiway && ls . node_modules && find services -name "*.test.ts"'],
    {
      Entrypoint: ['sh'],
    },
  )
  expect(listing.code).toBe(0)
  const names = listing.text.split(/\s+/)
  expect(names).toEqual(expect.arrayContaining(['git', 'packages', 'services', 'fastify', 'bullmq']))
  expect(names.filter((name) => /^(vitest|typescript|turbo|test|\.git|node-linux.*|.*\.test\.ts)$/.test(name))).toEqual(
    [],
  )
})

test('the api role of the image starts on a real Redis, is alive and ready, and stops when told', async () => {
  const port = await freePort()
  const container = await docker.createContainer({
    Image: tag,
    Cmd: ['api'],
    Env: [
      `REDIS_URL=${redis.address}`,
      `TAXIWAY_PORT=${port}`,
      'TAXIWAY_BIND=127.0.0.1',
      `TAXIWAY_SECRET_KEY=${randomBytes(32).toString('hex')}`,
      `TAXIWAY_ADMIN_TOKEN=${randomBytes(32).toString('hex')}`,
    ],
    HostConfig: { NetworkMode: 'host', ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] },
  })
  try {
    await container.start()
    const status = (path: string) => fetch(`http://127.0.0.1:${port}${path}`).then((answer) => answer.status)
    await eventually(async () => expect(await status('/livez')).toBe(200), 30_000)
    expect([await status('/readyz'), await status('/api/v1/repos')]).toEqual([200, 401])
    await container.stop({ t: 30 })
    expect((await container.inspect()).State.ExitCode).toBe(0)
  } finally {
    await container.remove({ force: true })
  }
})

interface Service {
  image: string
  command: string[]
  build?: { dockerfile: string }
  environment?: Record<string, string>
  volumes?: string[]
  ports?: string[]
  restart: string
  healthcheck: { test: string[] }
}
const composeText = () => readFileSync(join(root, 'docker-compose.yml'), 'utf8')
const services = () => (parse(composeText(), { merge: true }) as { services: Record<string, Service> }).services

test('the compose file starts the four roles, a proxy, a guard, a registry, and a Redis that keeps what it was told', () => {
  const all = services()
  expect(Object.keys(all).sort()).toEqual([
    'api',
    'builder',
    'deployer',
    'guard',
    'proxy',
    'redis',
    'registry',
    'status',
  ])
  for (const role of ['api', 'builder', 'deployer', 'guard', 'proxy', 'status'])
    expect(all[role]).toMatchObject({ command: [role], build: { dockerfile: 'deploy/image/Dockerfile' } })
  for (const one of Object.values(all)) expect(one).toMatchObject({ restart: 'unless-stopped', healthcheck: {} })
  const redisCommand = all.redis?.command.join(' ')
  for (const setting of ['--appendonly yes', '--appendfsync always', '--maxmemory-policy noeviction'])
    expect(redisCommand).toContain(setting)
  expect(all.redis?.volumes).toEqual(['redis:/data'])
})

test('only the roles that need the engine hold its socket, and what is published beside the api stays on the machine', () => {
  const all = Object.entries(services())
  const holders = all.filter(([, { volumes }]) => volumes?.some((volume) => volume.includes('docker.sock')))
  expect(holders.map(([name]) => name)).toEqual(['builder', 'deployer', 'proxy'])
  const published = all.flatMap(([name, { ports }]) => (ports ?? []).map((port) => [name, port] as const))
  for (const [name, port] of published) if (name !== 'api') expect(port).toMatch(/^127\.0\.0\.1:/)
})

test('every variable of the compose file is one that the configuration knows', () => {
  const known = new Set([...Object.keys(variables), 'DOCKER_GROUP'])
  const set = Object.values(services()).flatMap(({ image, environment }) =>
    image === 'taxiway' ? Object.keys(environment ?? {}) : [],
  )
  const asked = [...composeText().matchAll(/(?<!\$)\$\{(\w+)/g)].map((match) => match[1] as string)
  expect(set.length).toBeGreaterThan(20)
  expect([...set, ...asked].filter((name) => !known.has(name))).toEqual([])
})

const hasCompose = spawnSync('docker', ['compose', 'version']).status === 0
test.runIf(hasCompose)('docker compose takes the file', () => {
  const env = { ...process.env, TAXIWAY_SECRET_KEY: 'k', TAXIWAY_ADMIN_TOKEN: 't', DOCKER_GROUP: '1' }
  const checked = spawnSync('docker', ['compose', '-f', join(root, 'docker-compose.yml'), 'config', '-q'], { env })
  expect(checked.stderr.toString()).toBe('')
  expect(checked.status).toBe(0)
})
