import { setTimeout as sleep } from 'node:timers/promises'
import * as release from '@taxiway/docker/container/release-container.ts'
import { label, objectName, sweep, workLabels } from '@taxiway/docker/engine/labels.ts'
import { expect, test, vi } from 'vitest'
import { eventually } from '../../world/world.ts'
import { dockerScene, never } from './docker-scene.ts'

vi.setConfig({ testTimeout: 60_000 })
const { engine, run, owner, runs, ours } = dockerScene()

test('a container gives its output and its exit code, and is gone after that', async () => {
  const { ran, output } = await runs('exit', 'echo out; echo err >&2; echo $GREETING; pwd; exit 7', {
    env: { GREETING: 'hello world' },
    workdir: '/tmp',
  })
  expect(ran).toMatchObject({ ok: true, value: { exitCode: 7, oomKilled: false, timedOut: false } })
  expect(output.split('\n').sort()).toEqual(['', '/tmp', 'err', 'hello world', 'out'])
  expect(await ours()).not.toContain(objectName(owner('exit')))
})

test('a container has the few capabilities of work, no new privileges and no engine socket', async () => {
  const { output } = await runs(
    'rights',
    'grep -E "CapEff|NoNewPrivs" /proc/self/status; ls /var/run/docker.sock; mount -t tmpfs x /mnt',
  )
  // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, by their bits (capabilities(7)).
  expect(output).toMatch(/CapEff:\s0{13}5eb/)
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
  const answer = await eventually(() => fetch(`http://${ip}:8080/group`), 10_000)
  expect(await answer.text()).toContain('root')
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
