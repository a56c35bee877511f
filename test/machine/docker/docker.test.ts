import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BuildOrder, buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { type RunOrder, runContainer } from '@taxiway/docker/container/container.ts'
import * as release from '@taxiway/docker/container/release-container.ts'
import { connectEngine, type Engine, ping, version } from '@taxiway/docker/engine/engine.ts'
import { label, objectName, removeRun, sweep, workImage, workLabels, workMark } from '@taxiway/docker/engine/labels.ts'
import { createRunNetwork, removeNetwork } from '@taxiway/docker/engine/network.ts'
import { imageExists, pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Local, startLocal } from '../../../deploy/local/start.ts'
import { startProxy } from '../../faults/proxy.ts'

vi.setConfig({ testTimeout: 60_000 })

let local: Local
let engine: Engine
let registry = ''
let folder = ''
const run = newId<string>('run', randomBytes)
const owner = (step: string, attempt = 1) => ({ run, attempt, step, repository: 'shop/web' })
const never = new AbortController().signal

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'docker-'))
  local = await startLocal({ parts: ['engine', 'registry'], folder: join(folder, 'parts'), say: () => undefined })
  engine = {
    ...connectEngine({ dockerHost: local.env.DOCKER_HOST ?? '' }),
    installation: randomBytes(4).toString('hex'),
  }
  registry = process.env.TAXIWAY_REGISTRY ?? local.env.TAXIWAY_REGISTRY ?? ''
}, 180_000)
afterAll(async () => {
  await removeRun(engine, run)
  await local.stop()
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

async function build(dockerfile: string, more: Partial<BuildOrder> = {}, by = engine) {
  const context = mkdtempSync(join(folder, 'context-'))
  writeFileSync(join(context, 'Dockerfile'), dockerfile)
  writeFileSync(join(context, 'a.txt'), 'a')
  symlinkSync('/etc/passwd', join(context, 'link'))
  writeFileSync(join(context, '.dockerignore'), 'ignored.txt\n')
  writeFileSync(join(context, 'ignored.txt'), 'i')
  const packed = await packContext({
    folder: context,
    subfolder: '.',
    dockerfile: 'Dockerfile',
    maxMb: 5,
    maxFiles: 100,
  })
  if (!packed.ok) throw new Error(packed.reason.message)
  const lines: string[] = []
  const order = { image: 'web', tags: [workImage(engine, owner('web'))], signal: never, deadlineMs: 60_000, ...more }
  const built = await buildImage(by, {
    ...order,
    context: packed.value,
    onLine(line) {
      lines.push(line.text)
      return more.onLine?.(line)
    },
  })
  return { built, lines }
}

async function runs(step: string, script: string, more: Partial<RunOrder> = {}, by = engine) {
  const chunks: Buffer[] = []
  const ran = await runContainer(by, {
    name: objectName(owner(step)),
    image: 'busybox:stable',
    command: ['sh', '-c', script],
    labels: workLabels(owner(step)),
    network: 'none',
    memoryMb: 64,
    cpus: 1,
    pids: 64,
    timeoutMs: 30_000,
    signal: never,
    onOutput: (chunk) => void chunks.push(chunk),
    ...more,
  })
  return { ran, output: Buffer.concat(chunks).toString() }
}
const ours = async () => (await release.listContainers(engine, { [label.run]: run })).map((container) => container.name)

test('the engine answers and says what it is', async () => {
  expect(await ping(engine)).toBe(true)
  expect((await version(engine)).api).toMatch(/^1\.\d+$/)
})

test('a build gives an image and its lines, and the same content comes from the cache', async () => {
  const dockerfile = `FROM busybox:stable\nRUN echo ${run}; printf half; sleep 0.2; echo ' ✓'\nCOPY . /app\nRUN ls /app\n`
  const first = await build(dockerfile)
  expect(first.built).toMatchObject({ ok: true, value: { imageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) } })
  expect(first.lines.some((line) => /^#\d+ half ✓$/.test(line))).toBe(true)
  const listed = first.lines.map((line) => line.replace(/^#\d+ /, ''))
  expect(listed).toContain('link')
  expect(listed).not.toContain('ignored.txt')
  const second = await build(dockerfile)
  expect(second.built).toMatchObject({ value: { imageId: first.built.ok ? first.built.value.imageId : '' } })
  expect(second.lines.filter((line) => line.endsWith(' CACHED')).length).toBeGreaterThanOrEqual(3)
})

test('a stage that fails is told with step, exit code and last line', async () => {
  const { built } = await build(`FROM busybox:stable AS test\nRUN echo ${run}; echo 2 tests failed; exit 3\n`, {
    target: 'test',
  })
  expect(built).toMatchObject({ reason: { code: 'build_failed' } })
  expect(built.ok ? '' : built.reason.message).toMatch(/^Image web: RUN .*: exit code 3: 2 tests failed\.$/)
})

test.each([
  ['FROM busybox:stable\nFOO bar\n', 'build_failed', 'unknown instruction'],
  ['FROM busybox:stable\nCOPY nowhere /x\n', 'build_failed', '/nowhere'],
  ['FROM 127.0.0.1:1/nope:latest\n', 'image_not_found', '127.0.0.1:1/nope:latest'],
])('what is wrong with %j is named', async (dockerfile, code, words) => {
  const { built } = await build(dockerfile)
  expect(built).toMatchObject({ ok: false, reason: { code, message: expect.stringContaining(words) } })
})

test('a build argument that chooses another builder is refused', async () => {
  const { built } = await build('FROM busybox:stable\n', { args: { BUILDKIT_SYNTAX: 'evil/frontend' } })
  expect(built).toMatchObject({ ok: false, reason: { code: 'option_not_allowed' } })
})

test('an abort stops the build, and a deadline ends it with timeout', async () => {
  const stop = new AbortController()
  const marker = randomBytes(6).toString('hex')
  const building = build(`FROM busybox:stable\nRUN sleep 60; echo ${marker}\n`, { signal: stop.signal })
  await sleep(1_500)
  stop.abort(new Error('cancelled'))
  await expect(building).rejects.toThrow('cancelled')
  const late = await build(`FROM busybox:stable\nRUN sleep 60; echo ${marker}2\n`, { deadlineMs: 1_000 })
  expect(late.built).toMatchObject({ ok: false, reason: { code: 'timeout' } })
})

test('a container gives its output and its exit code, and is gone after that', async () => {
  const { ran, output } = await runs('exit', 'echo out; echo err >&2; echo $GREETING; pwd; exit 7', {
    env: { GREETING: 'hello world' },
    workdir: '/tmp',
  })
  expect(ran).toMatchObject({ ok: true, value: { exitCode: 7, oomKilled: false, timedOut: false } })
  expect(output.split('\n').sort()).toEqual(['', '/tmp', 'err', 'hello world', 'out'])
  expect(await ours()).not.toContain(objectName(owner('exit')))
})

test('a container has no capability, no new privileges and no engine socket', async () => {
  const { output } = await runs(
    'rights',
    'grep -E "CapEff|NoNewPrivs" /proc/self/status; ls /var/run/docker.sock; mount -t tmpfs x /mnt',
  )
  expect(output).toMatch(/CapEff:\s0{16}/)
  expect(output).toMatch(/NoNewPrivs:\s1/)
  expect(output).toContain('No such file')
  expect(output).toMatch(/permission denied|Operation not permitted/i)
})

test('a command that is not there is exit code 127, an image that is not there is told', async () => {
  const { ran, output } = await runs('nocommand', '', { command: ['no-such-program'] })
  expect(ran).toMatchObject({ ok: true, value: { exitCode: 127 } })
  expect(output).toContain('no-such-program')
  expect((await runs('noimage', '', { image: 'no-such-image:1' })).ran).toMatchObject({
    reason: { code: 'image_not_found' },
  })
})

test('too much memory ends the container and says so', async () => {
  const { ran } = await runs('memory', 'x=0123456789abcdef; while true; do x=$x$x; done')
  expect(ran).toMatchObject({ ok: true, value: { exitCode: 137, oomKilled: true } })
})

test('a fork bomb is contained and ends at its timeout', async () => {
  const limits = { timeoutMs: 2_000, graceMs: 500, pids: 32 }
  const { ran, output } = await runs('fork', 'f() { f | f & }; f; sleep 60', limits)
  expect(ran.ok && (ran.value.timedOut || ran.value.exitCode !== 0)).toBe(true)
  expect(output).toMatch(/can't fork|Resource temporarily unavailable/)
  expect((await runs('after', 'echo fine')).output).toBe('fine\n')
})

test('a process that ignores SIGTERM is killed after the grace', async () => {
  const { ran } = await runs('stubborn', 'trap "" TERM; while true; do sleep 1; done', { timeoutMs: 700, graceMs: 500 })
  expect(ran).toMatchObject({ ok: true, value: { exitCode: 137, timedOut: true, oomKilled: false } })
  expect(ran.ok && ran.value.durationMs).toBeLessThan(10_000)
})

test('an abort stops the container and throws the reason', async () => {
  const stop = new AbortController()
  setTimeout(() => stop.abort(new Error('superseded')), 500)
  await expect(runs('aborted', 'sleep 60', { signal: stop.signal, graceMs: 200 })).rejects.toThrow('superseded')
  expect(await ours()).not.toContain(objectName(owner('aborted')))
})

test('100 MB of output arrive whole, in little memory, also when they are read slowly', async () => {
  let bytes = 0
  let peak = 0
  let atOnce = 0
  let most = 0
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  const { ran } = await runs('flood', 'yes 0123456789abcdef | head -c 100000000', {
    timeoutMs: 120_000,
    onOutput: async (chunk) => {
      bytes += chunk.length
      // What is garbage already does not count as kept.
      if (Math.floor(bytes / 4e6) > Math.floor((bytes - chunk.length) / 4e6)) globalThis.gc?.()
      peak = Math.max(peak, process.memoryUsage.rss())
      most = Math.max(most, ++atOnce)
      if (bytes % 7 === 0) await sleep(1)
      atOnce--
    },
  })
  expect(ran).toMatchObject({ ok: true, value: { exitCode: 0 } })
  expect(bytes).toBe(100_000_000)
  expect(most).toBe(1)
  expect((peak - before) / 1e6).toBeLessThan(50)
}, 150_000)

test('an error of who reads the output is passed on as it is, and the container is gone', async () => {
  const failure = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const onOutput = () => Promise.reject(failure)
  await expect(runs('reader', 'echo x; sleep 60', { onOutput })).rejects.toBe(failure)
  expect(await ours()).not.toContain(objectName(owner('reader')))
})

test('a second try takes the place of what the first one left', async () => {
  const name = objectName(owner('twice'))
  await engine.docker.createContainer({ name, Image: 'busybox:stable', Labels: workLabels(owner('twice')) })
  expect((await runs('twice', 'echo second')).output).toBe('second\n')
  const foreign = await engine.docker.createContainer({ name, Image: 'busybox:stable' })
  await expect(runs('twice', 'true')).rejects.toThrow('not ours')
  await foreign.remove()
})

test('a network is made once, taken up again, and removed once', async () => {
  const spec = { name: objectName(owner('network')), labels: workLabels(owner('network')) }
  const made = await createRunNetwork(engine, spec)
  expect(made.ok).toBe(true)
  expect(await createRunNetwork(engine, spec)).toEqual(made)
  await removeNetwork(engine, spec.name)
  await removeNetwork(engine, spec.name)
  expect(await engine.docker.listNetworks({ filters: { name: [spec.name] } })).toEqual([])
})

test('a pushed image has a digest, by which it can be pulled and run', async () => {
  const { built } = await build(`FROM busybox:stable\nRUN echo ${run} > /id\n`)
  if (!built.ok) throw new Error(built.reason.message)
  const repository = `${registry}/test/${run.replace('_', '-')}`
  const order = { imageId: built.value.imageId, repository, tag: 'v1', signal: never, deadlineMs: 60_000 }
  const pushed = await pushImage(engine, order)
  expect(pushed).toMatchObject({ ok: true, value: { digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) } })
  expect(await pushImage(engine, order)).toEqual(pushed)
  expect(await imageExists(engine, `${repository}:v1`)).toBe(false)
  const reference = `${repository}@${pushed.ok ? pushed.value.digest : ''}`
  const pulled = await pullImage(engine, reference, { signal: never, deadlineMs: 60_000 })
  expect(pulled).toMatchObject({ ok: true, value: { imageId: built.value.imageId } })
  expect((await runs('pulled', 'cat /id', { image: reference })).output).toBe(`${run}\n`)
  await removeImage(engine, reference)
})

test('a registry that is away is tried again, one that refuses is not, one that stays away is told', async () => {
  const stub = createServer((_, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end('{}'),
  )
  await new Promise<void>((resolve) => stub.listen(0, '127.0.0.1', resolve))
  const { port } = stub.address() as AddressInfo
  await new Promise((resolve) => stub.close(resolve))
  const told: string[] = []
  const onLine = (line: string) => {
    told.push(line)
    if (line.includes('trying again') && !stub.listening) stub.listen(port, '127.0.0.1')
  }
  const repository = `127.0.0.1:${port}/a`
  const order = { imageId: 'busybox:stable', repository, tag: 'v1', signal: never, deadlineMs: 60_000 }
  expect(await pushImage(engine, { ...order, onLine })).toMatchObject({ reason: { code: 'registry_auth_failed' } })
  expect(told.filter((line) => line.includes('trying again'))).toHaveLength(1)
  stub.close()
  stub.closeAllConnections()
  const gone = await pushImage(engine, order)
  expect(gone).toMatchObject({ ok: false, reason: { code: 'registry_unavailable' } })
}, 60_000)

test('an engine that goes away in the middle of a container or a build is told at once', async () => {
  for (const work of ['container', 'build'] as const) {
    const proxy = await startProxy({ to: { path: new URL(engine.where).pathname } })
    const through = { ...engine, ...connectEngine({ dockerHost: `tcp://127.0.0.1:${proxy.port}` }) }
    const sleeping = `echo begun; sleep 30; echo ${randomBytes(6).toString('hex')}`
    const begun = Promise.withResolvers<void>()
    const onOutput = () => begun.resolve()
    const onLine = ({ text }: { text: string }) => (/^#\d+ begun$/.test(text) ? begun.resolve() : undefined)
    const running =
      work === 'container'
        ? runs('cut', sleeping, { onOutput }, through).then(({ ran }) => ran)
        : build(`FROM busybox:stable\nRUN ${sleeping}\n`, { onLine }, through).then(({ built }) => built)
    await begun.promise
    const startedMs = performance.now()
    await proxy.refuse()
    expect(await running).toMatchObject({ ok: false, reason: { code: 'docker_daemon_restarted' } })
    expect(performance.now() - startedMs).toBeLessThan(5_000)
  }
  expect(await ours()).toContain(objectName(owner('cut')))
  await removeRun(engine, run)
  expect(await ours()).toEqual([])
}, 30_000)

test('a release container has an address, answers probes, shows its last lines and is stopped', async () => {
  const spec = {
    name: `taxiway-test-${run}`,
    image: 'busybox:stable',
    command: ['sh', '-c', 'echo ready; httpd -f -p 8080 -h /etc'],
    labels: { [label.environment]: run },
    network: 'bridge',
    memoryMb: 64,
    cpus: 1,
    pids: 64,
  }
  const started = await release.startContainer(engine, spec, never)
  if (!started.ok) throw new Error(started.reason.message)
  const { id, ip } = started.value
  await sleep(300)
  expect(await (await fetch(`http://${ip}:8080/group`)).text()).toContain('root')
  expect(await release.execProbe(engine, id, ['sh', '-c', 'echo hi; exit 4'], 5_000)).toEqual({
    exitCode: 4,
    output: 'hi\n',
  })
  expect((await release.execProbe(engine, id, ['sleep', '30'], 300)).exitCode).toBeUndefined()
  expect(await release.containerLogsTail(engine, id, 5)).toEqual(['ready'])
  const kept = await sweep(engine, { keep: () => true })
  expect(kept.containers).toBe(0)
  expect(await release.inspectContainer(engine, id)).toMatchObject({ state: 'running', restarts: 0 })
  await release.stopContainer(engine, id, 1_000)
  await release.stopContainer(engine, id, 1_000)
  expect(await release.inspectContainer(engine, id)).toBeUndefined()
}, 30_000)

test('a sweep removes what runs left that are over, and nothing else, nor what another Taxiway made', async () => {
  const other = newId<string>('run', randomBytes)
  const step = { run: other, attempt: 2, step: 'unit', repository: 'shop/web' }
  const image = (await build('FROM busybox:stable\nENV SWEPT=1\n', { tags: [workImage(engine, step)] })).built
  const labels = { ...workLabels(step), ...workMark(engine) }
  const create = (name: string, Labels: Record<string, string>) =>
    engine.docker.createContainer({ name, Image: 'busybox:stable', Cmd: ['sleep', '60'], Labels })
  const left = await create(objectName(step), labels)
  await left.start()
  await createRunNetwork(engine, { name: objectName(step), labels: workLabels(step) })
  await engine.docker.createVolume({ Name: objectName(step), Labels: labels })
  // A stranger's container made from an image that copies our labels, and a release of the same run.
  const stranger = await create(`k8s-${other}`, labels)
  const live = await create(`taxiway-live-${other}`, { ...labels, [label.role]: 'release' })
  const keep = (id: string) => id !== other
  expect(image.ok).toBe(true)
  const neighbour = { ...engine, installation: 'ffffffff' }
  expect(await sweep(neighbour, { keep })).toEqual({ containers: 0, networks: 0, volumes: 0, images: 0 })
  // A later attempt of the run goes on with the images.
  const isOpen = (id: string, attempt?: number) => id !== other || attempt === undefined
  expect(await sweep(engine, { keep: isOpen })).toEqual({ containers: 1, networks: 1, volumes: 1, images: 0 })
  expect(await sweep(engine, { keep })).toEqual({ containers: 0, networks: 0, volumes: 0, images: 1 })
  expect(await sweep(engine, { keep })).toEqual({ containers: 0, networks: 0, volumes: 0, images: 0 })
  expect(await imageExists(engine, workImage(engine, step))).toBe(false)
  expect(await imageExists(engine, 'busybox:stable')).toBe(true)
  for (const container of [stranger, live]) {
    expect((await container.inspect()).Id).toBe(container.id)
    await container.remove({ force: true })
  }
}, 30_000)
