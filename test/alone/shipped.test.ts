import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { makeWorld } from '../world/make-world.ts'
import { type OwnEngine, startOwnEngine } from '../world/own-engine.ts'
import { buildShippedImage } from '../world/shipped-image.ts'
import { freePort, isOver } from '../world/taxiway.ts'
import { eventually, type World } from '../world/world.ts'

interface Service {
  command: string[]
  user?: string
  environment: Record<string, string>
  volumes: string[]
  tmpfs?: string[]
  cap_drop: string[]
  cap_add?: string[]
  security_opt: string[]
  network_mode: string
  pid?: string
  read_only?: boolean
}
const tag = `taxiway-test/shipped:${process.pid}`
const dockerHost = process.env.DOCKER_HOST ?? ''
const docker = new Docker({ socketPath: dockerHost.replace(/^unix:\/\//, '') })
const folder = mkdtempSync(join(tmpdir(), 'taxiway-shipped-'))
const volume = `taxiway-test-guard-${process.pid}`
const containers: Docker.Container[] = []
let own: OwnEngine
let world: World & { stop(): Promise<void> }
let server: Server
let port = 0
let environment: Record<string, string>

/** Starts a service of the compose file with its user, rights, mounts and words, beside an engine of the test's own. */
async function start(name: 'builder' | 'guard'): Promise<Docker.Container> {
  const file = readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8')
  const service = (parse(file, { merge: true }) as { services: Record<string, Service> }).services[name] as Service
  const defaults = Object.entries(service.environment).map(([key, value]) => [
    key,
    value.replace(/\$\{\w+:[-?]([^}]*)\}/, '$1'),
  ])
  const here = (mount: string) =>
    mount
      .replace(/^\/var\/run\/docker.sock:/, `${own.dockerHost.replace('unix://', '')}:`)
      .replaceAll('/var/lib/docker', join(folder, 'engine/data'))
      .replace(/^guard:/, `${volume}:`)
  const container = await docker.createContainer({
    Image: tag,
    Cmd: service.command,
    ...(service.user ? { User: service.user } : {}),
    Env: Object.entries({ ...Object.fromEntries(defaults), ...environment }).map(([key, value]) => `${key}=${value}`),
    HostConfig: {
      Init: true,
      NetworkMode: service.network_mode,
      ...(service.pid ? { PidMode: service.pid } : {}),
      ReadonlyRootfs: service.read_only ?? false,
      CapDrop: service.cap_drop,
      CapAdd: service.cap_add ?? [],
      SecurityOpt: service.security_opt,
      Tmpfs: Object.fromEntries((service.tmpfs ?? []).map((path) => [path, ''])),
      Binds: service.volumes.map(here).filter((mount) => !/^(builder|artifacts):/.test(mount)),
      ...(name === 'builder' ? { GroupAdd: [String(statSync(own.dockerHost.replace('unix://', '')).gid)] } : {}),
    },
  })
  containers.push(container)
  await container.start()
  return container
}
const ready = async () => {
  const answer = await fetch(`http://127.0.0.1:${environment.TAXIWAY_HEALTH_PORT}/readyz`)
  return `${answer.status} ${await answer.text()}`
}
async function push(message: string, more = 'true') {
  const { runId } = await world.push(
    {
      '.taxiway.yaml': `version: 1\nimages: { web: {} }\ntest: { unit: { image: web, run: ["true"] } }\n`,
      Dockerfile: `FROM busybox:stable\nRUN echo ${message}; nc -w 2 ${own.gateway} ${port} </dev/null 2>&1 | head -c 60; echo; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; ${more}\n`,
    },
    message,
  )
  return world.taxiway.waitRun(runId, isOver, 120_000)
}

beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => {}).end('reached')).listen(0, '0.0.0.0')
  await new Promise((resolve) => server.once('listening', resolve))
  port = (server.address() as { port: number }).port
  await buildShippedImage(tag)
  own = await startOwnEngine(join(folder, 'engine'), connectEngine({ dockerHost }))
  const { REDIS_URL = '', TAXIWAY_REGISTRY = '' } = process.env
  const key = randomBytes(32).toString('hex')
  world = await makeWorld({
    folder: join(folder, 'world'),
    environment: { REDIS_URL, DOCKER_HOST: own.dockerHost, TAXIWAY_REGISTRY, TAXIWAY_SECRET_KEY: key },
    target: 'docker',
    roles: ['api', 'status'],
    say: () => {},
  })
  environment = {
    REDIS_URL,
    TAXIWAY_REGISTRY,
    TAXIWAY_SECRET_KEY: key,
    TAXIWAY_ALLOWED_ORIGINS: world.host.url,
    TAXIWAY_HEALTH_PORT: String(await freePort()),
    TAXIWAY_ENGINE_BRIDGE: own.bridge,
    TAXIWAY_BUILD_CGROUP: own.cgroup,
    TAXIWAY_BUILD_PIDS: '123',
    TAXIWAY_BUILD_DISK_MB: '50',
  }
}, 900_000)
afterAll(async () => {
  for (const container of containers) await container.remove({ force: true, v: true }).catch(() => undefined)
  await world?.stop()
  await own?.stop()
  server?.close()
  const { docker: engine } = connectEngine({ dockerHost })
  await engine
    .getVolume(volume)
    .remove()
    .catch(() => undefined)
  await engine
    .getImage(tag)
    .remove({ force: true })
    .catch(() => undefined)
  rmSync(folder, { recursive: true, force: true })
})

test('the builder as shipped refuses runs without its guard and says why; with it, what it runs is contained', async () => {
  await start('builder')
  await eventually(async () => expect(await ready()).toMatch(/^503 .*build steps have no limits, /), 60_000)
  expect(await ready()).toMatch(/build steps can reach this machine's own addresses/)
  const refused = await push('first')
  expect(refused).toMatchObject({ state: 'errored', reason: { code: 'not_contained' } })
  expect(refused.images).toEqual([])

  await start('guard')
  await eventually(async () => expect(await ready()).toBe('200 ok\n'), 120_000)
  const run = await push('second')
  const log = await world.taxiway.log(run.id)
  expect([run.state, log]).toEqual(['succeeded', expect.stringMatching(/^.*(can't connect|timed out).*$/m)])
  expect(log.replaceAll(/RUN .*/g, '')).not.toMatch(/reached|refused/)
  expect(log).toMatch(/#\d+ 123$/m)

  const flood = await push('third', 'dd if=/dev/zero of=/big bs=1M count=200; sleep 50')
  expect(flood).toMatchObject({ state: 'failed', reason: { code: 'resource_limit' } })
  expect(flood.reason.message).toContain('at its limit of 50 MB (disk)')
})
