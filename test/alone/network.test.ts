import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { runContainer } from '@taxiway/docker/container/container.ts'
import { type Egress, engineNameservers, installEgress } from '@taxiway/docker/engine/egress.ts'
import { probeEgress } from '@taxiway/docker/engine/egress-probe.ts'
import { connectEngine, type Engine } from '@taxiway/docker/engine/engine.ts'
import { objectName, removeRun, workLabels } from '@taxiway/docker/engine/labels.ts'
import { createRunNetwork, removeNetwork } from '@taxiway/docker/engine/network.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTaxiway } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'

const run = newId<string>('run', randomBytes)
const never = new AbortController().signal
const rules = { bridges: [], allow: [], nameservers: engineNameservers() }
const engineOf = (egress: Egress): Engine => ({
  ...connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' }),
  work: { egress, subnet: '10.213.0.0/16' },
})
/** Stands for whatever else listens on this machine, on every address of it. */
let server: Server
let port = 0
beforeAll(async () => {
  server = createServer((socket) => socket.on('error', () => {}).end('reached')).listen(0, '0.0.0.0')
  await new Promise((resolve) => server.once('listening', resolve))
  port = (server.address() as { port: number }).port
  await installEgress(rules)
})
afterAll(async () => {
  await removeRun(engineOf('internet'), run)
  server.close()
})

async function inside(engine: Engine, script: string, step = randomBytes(4).toString('hex')): Promise<string> {
  const owner = { run, attempt: 1, step, repository: 'shop/web' }
  const name = objectName(owner)
  const network = await createRunNetwork(engine, { name, labels: workLabels(owner) })
  if (!network.ok) throw new Error(network.reason.message)
  const { IPAM } = await engine.docker.getNetwork(name).inspect()
  let output = ''
  const ran = await runContainer(engine, {
    name,
    image: 'busybox:stable',
    command: ['sh', '-c', script],
    env: { GATEWAY: IPAM?.Config?.[0]?.Gateway ?? '' },
    labels: workLabels(owner),
    network: name,
    memoryMb: 32,
    cpus: 1,
    pids: 32,
    timeoutMs: 60_000,
    signal: never,
    onOutput: (chunk) => {
      output += chunk.toString()
    },
  })
  await removeNetwork(engine, name)
  if (!ran.ok) throw new Error(ran.reason.message)
  return output
}
const knock = (address: string, at: number | string) =>
  `printf '%s ' "${address}"; nc -w 2 ${address} ${at} </dev/null 2>&1 | head -c 60; echo`
const ownAddresses = () =>
  Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address),
  )

test('without rules a test reaches this machine, so the experiment can tell', async () => {
  expect(await inside(engineOf('open'), knock('$GATEWAY', port))).toContain('reached')
})

test.each(['internet', 'none'] as const)('with egress %s no address of this machine answers a test', async (egress) => {
  const redis = Number(new URL(process.env.REDIS_URL ?? '').port)
  const addresses = ['$GATEWAY', ...ownAddresses().slice(0, 4), '172.17.0.1']
  const knocks = addresses.flatMap((address) => [port, redis].map((at) => knock(address, at)))
  const output = await inside(engineOf(egress), knocks.join('\n'))
  expect(output.trim().split('\n')).toHaveLength(knocks.length)
  expect(output).not.toMatch(/reached|refused/)
})

test.each(['internet', 'none'] as const)(
  'with egress %s link-local and private ranges are no way out',
  async (egress) => {
    const addresses = ['169.254.169.254', '10.0.0.1', '192.168.1.1', '100.64.0.1']
    const output = await inside(engineOf(egress), addresses.map((address) => knock(address, 80)).join('\n'))
    for (const address of addresses) expect(output).toMatch(new RegExp(`${address} .*(No route|unreachable|timed out)`))
  },
)

test('a published port of another container is not reached by way of this machine', async () => {
  // On a network as releases have them: by the engine alone, outside of the rules.
  const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
  const { docker } = engine
  const owner = { run, attempt: 1, step: 'other', repository: 'shop/other' }
  const name = objectName(owner)
  await createRunNetwork(engine, { name, labels: workLabels(owner) })
  const other = await docker.createContainer({
    Image: 'busybox:stable',
    Cmd: ['sh', '-c', 'while :; do echo reached | nc -l -p 80; done'],
    Labels: workLabels(owner),
    ExposedPorts: { '80/tcp': {} },
    HostConfig: {
      NetworkMode: name,
      PortBindings: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '' }] },
      Memory: 2 ** 25,
      PidsLimit: 16,
    },
  })
  try {
    await other.start()
    const { NetworkSettings } = await other.inspect()
    const published = NetworkSettings.Ports['80/tcp']?.[0]?.HostPort
    const own = NetworkSettings.Networks[name]?.IPAddress
    const script = [
      knock('$GATEWAY', String(published)),
      knock('172.17.0.1', String(published)),
      knock(own ?? '', 80),
    ].join('\n')
    expect(await inside(engineOf('open'), script)).toContain('reached')
    expect(await inside(engineOf('internet'), script)).not.toMatch(/reached|refused/)
  } finally {
    await other.remove({ force: true })
    await removeNetwork(engine, name)
  }
})

test("two tests' networks do not see each other, one network's containers do", async () => {
  const engine = engineOf('internet')
  const owner = { run, attempt: 1, step: 'peer', repository: 'shop/peer' }
  const name = objectName(owner)
  const made = await createRunNetwork(engine, { name, labels: workLabels(owner) })
  expect(made.ok).toBe(true)
  const peer = await engine.docker.createContainer({
    Image: 'busybox:stable',
    Cmd: ['sh', '-c', 'while :; do echo reached | nc -l -p 80; done'],
    Labels: workLabels(owner),
    HostConfig: { NetworkMode: name, Memory: 2 ** 25, PidsLimit: 16 },
    NetworkingConfig: { EndpointsConfig: { [name]: { Aliases: ['peer'] } } },
  })
  try {
    await peer.start()
    const address = (await peer.inspect()).NetworkSettings.Networks[name]?.IPAddress ?? ''
    expect(await inside(engine, knock(address, 80))).not.toMatch(/reached|refused/)
    expect(await inside(engine, knock('peer', 80))).not.toMatch(/reached|refused/)
    let output = ''
    await runContainer(engine, {
      name: objectName({ ...owner, step: 'friend' }),
      image: 'busybox:stable',
      command: ['sh', '-c', knock('peer', 80)],
      labels: workLabels({ ...owner, step: 'friend' }),
      network: name,
      memoryMb: 32,
      cpus: 1,
      pids: 32,
      timeoutMs: 20_000,
      signal: never,
      onOutput: (chunk) => {
        output += chunk.toString()
      },
    })
    expect(output).toContain('reached')
  } finally {
    await peer.remove({ force: true })
    await removeNetwork(engine, name)
  }
})

test('the probe tells whether it is so, and rules that were taken out come back', async () => {
  expect(await probeEgress(engineOf('internet'), never)).toEqual({ ok: true, value: true })
  expect(await probeEgress(engineOf('none'), never)).toEqual({ ok: true, value: true })
  expect(await probeEgress(engineOf('open'), never)).toEqual({ ok: true, value: false })
  const listed = () =>
    execFileSync('iptables', ['-w', '5', '-S'])
      .toString()
      .match(/.*TAXIWAY.*/g)
  const before = listed()
  execFileSync('iptables', ['-w', '5', '-D', 'INPUT', '-i', 'txwi-+', '-j', 'TAXIWAY-INPUT'])
  await installEgress(rules)
  expect(listed()?.sort()).toEqual(before?.sort())
  expect(await probeEgress(engineOf('internet'), never)).toEqual({ ok: true, value: true })
})

test('a builder puts the rules there, tries them, and says so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-egress-'))
  const { REDIS_URL, DOCKER_HOST } = process.env
  const taxiway = await makeTaxiway({ folder, environment: { REDIS_URL, DOCKER_HOST } })
  const says = (words: RegExp) =>
    eventually(async () => {
      const logs = readdirSync(folder).filter((name) => name.endsWith('.log'))
      expect(logs.map((name) => readFileSync(join(folder, name), 'utf8')).join('')).toMatch(words)
    }, 20_000)
  try {
    await taxiway.start(['builder'])
    await says(/"mode":"internet","builds":false,"msg":"containment: held"/)
    await taxiway.start(['builder'], { TAXIWAY_EGRESS: 'open' })
    await says(/egress: open, tests reach whatever/)
  } finally {
    await taxiway.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('addresses that this machine has elsewhere are given to no network', async () => {
  const engine = { ...engineOf('internet'), work: { egress: 'internet', subnet: '10.217.0.0/26' } } as Engine
  const owner = { run, attempt: 1, step: 'beside', repository: 'a/b' }
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
  for (const taken of [1, 33]) {
    // As the bridge of an engine that was killed: down, but with its addresses.
    ip('link', 'add', 'txw-left', 'type', 'bridge')
    try {
      ip('address', 'add', `10.217.0.${taken}/27`, 'dev', 'txw-left')
      ip('link', 'set', 'txw-left', 'up')
      expect(await createRunNetwork(engine, { name: objectName(owner), labels: workLabels(owner) })).toMatchObject({
        ok: true,
      })
      const { IPAM } = await engine.docker.getNetwork(objectName(owner)).inspect()
      expect(IPAM?.Config?.[0]?.Subnet).toBe(`10.217.0.${taken === 1 ? 32 : 0}/27`)
    } finally {
      ip('link', 'delete', 'txw-left')
      await removeNetwork(engine, objectName(owner))
    }
  }
})

test('many networks at once get addresses of their own', async () => {
  const engine = engineOf('internet')
  const names = Array.from({ length: 8 }, (_, index) => ({ run, attempt: 1, step: `many-${index}`, repository: 'a/b' }))
  const made = await Promise.all(
    names.map((owner) => createRunNetwork(engine, { name: objectName(owner), labels: workLabels(owner) })),
  )
  expect(made.every(({ ok }) => ok)).toBe(true)
  const subnets = await Promise.all(
    names.map(async (owner) => (await engine.docker.getNetwork(objectName(owner)).inspect()).IPAM?.Config?.[0]?.Subnet),
  )
  expect(new Set(subnets).size).toBe(8)
  for (const subnet of subnets) expect(subnet).toMatch(/^10\.213\.\d+\.\d+\/27$/)
  for (const owner of names) await removeNetwork(engine, objectName(owner))
})
