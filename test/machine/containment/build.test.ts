import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { base, startContainedBuilds } from '../../world/contained-builds.ts'

type Builds = Awaited<ReturnType<typeof startContainedBuilds>>
let builds: Builds
let build: Builds['build']
beforeAll(async () => {
  builds = await startContainedBuilds()
  build = builds.build
})
afterAll(() => builds?.stop())

const neighbour = () => build(`${base}RUN echo fine\n`)

test('a fork bomb in a step stays within its processes and is named; a neighbour builds on', async () => {
  const bomb = build(`${base}RUN while :; do (while :; do sleep 50 & done); done\n`)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const startedMs = performance.now()
  expect((await neighbour()).outcome.ok).toBe(true)
  expect(performance.now() - startedMs).toBeLessThan(10_000)
  const { outcome } = await bomb
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'resource_limit' } })
  expect(outcome.ok ? '' : outcome.reason.message).toMatch(/at its limit of 40 \(processes\)/)
})

test('a step that takes all memory is ended and named', async () => {
  const { outcome } = await build(`${base}RUN x=0123456789abcdef; while true; do x=$x$x; done\n`)
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'out_of_memory' } })
  expect(outcome.ok ? '' : outcome.reason.message).toContain('64 MB')
})

test('a step that only says that the disk is full has failed by itself', async () => {
  const { outcome } = await build(`${base}RUN echo "cp: No space left on device"; exit 5\n`)
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'build_failed' } })
  expect(outcome.ok ? '' : outcome.reason.message).toContain('exit code 5: cp: No space left on device')
})

test.each([
  ['its own files', 'dd if=/dev/zero of=/big bs=1M count=200; sleep 50', '50 MB (disk)'],
  ['a cache', '--mount=type=cache,target=/kept dd if=/dev/zero of=/kept/big bs=1M count=200; sleep 50', '50 MB (disk)'],
  ['empty files', 'mkdir /f; cd /f; i=0; while :; do : > $i; i=$((i+1)); done', '2000 (files)'],
])(
  'a step that writes without end, into %s, is ended and named; a neighbour builds on',
  async (_where, step, limit) => {
    const flood = build(`${base}RUN ${step}\n`)
    expect((await neighbour()).outcome.ok).toBe(true)
    const { outcome } = await flood
    expect(outcome).toMatchObject({ ok: false, reason: { code: 'resource_limit' } })
    expect(outcome.ok ? '' : outcome.reason.message).toContain(`at its limit of ${limit}`)
  },
)

test('a step has its share of the processors', async () => {
  const { outcome, output } = await build(
    `${base}RUN cat /sys/fs/cgroup/*/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max; true\n`,
  )
  expect(outcome.ok).toBe(true)
  expect(output).toMatch(/50000/)
})

test('a build that does not end is ended at its time', async () => {
  const { outcome } = await build(`${base}RUN trap '' TERM; (sleep 300 &); sleep 300\n`, { deadlineMs: 3000 })
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'timeout' } })
  for (let tries = 0; tries < 100; tries++) {
    const left = readFileSync(`/sys/fs/cgroup/pids/${builds.own.cgroup}/pids.current`, 'utf8').trim()
    if (left === '0') return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('processes of the build are left')
})

test('with egress none a step has no network at all', async () => {
  const { outcome, output } = await build(`${base}RUN ip -o link | grep -v lo: ; echo end\n`, { egress: 'none' })
  expect(outcome.ok).toBe(true)
  expect(output.replaceAll(/RUN .*/g, '')).not.toMatch(/eth0/)
})

test.each([
  ['# syntax=evil/frontend\nFROM busybox:stable\n', 'option_not_allowed'],
  ['FROM busybox:stable\nRUN --security=insecure id\n', 'option_not_allowed'],
  ['FROM busybox:stable\nRUN --network=host id\n', 'option_not_allowed'],
  ['FROM busybox:stable\nRUN --netw\\\nork=host id\n', 'build_failed'],
  ['# escape=`\nFROM busybox:stable\nRUN --security=`\ninsecure id\n', 'build_failed'],
  ['FROM 127.0.0.1:1/private/image\n', 'registry_unavailable'],
])('%j is refused', async (dockerfile, code) => {
  expect((await build(dockerfile)).outcome).toMatchObject({ ok: false, reason: { code } })
})

test('nothing is fetched by the engine itself, from where this machine answers', async () => {
  let asked = 0
  const web = createHttpServer((_, response) => {
    asked++
    response.end('the-canary-sings')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => web.once('listening', resolve))
  const at = `127.0.0.1:${(web.address() as { port: number }).port}/x`
  try {
    for (const add of [
      `ADD http://${at} /x`,
      'ADD http://169.254.169.254/latest/meta-data /x',
      `ADD --chown=1 ["http://${at}", "/x"]`,
      `ADD \\\n  http://${at} /x`,
      'ADD git://github.com/a/b.git /x',
      'ADD git@github.com:a/b.git /x',
    ]) {
      const { outcome } = await build(`${base}${add}\nRUN cat /x\n`)
      expect([add, outcome.ok ? 'ok' : outcome.reason.code]).toEqual([add, 'option_not_allowed'])
    }
    expect(asked).toBe(0)
    const hidden = await build(`${base}ARG P=http\nADD \${P}://${at} /x\nRUN cat /x; sleep 1; cat /x\n`)
    expect(hidden.outcome).toMatchObject({ ok: false, reason: { code: 'option_not_allowed' } })
    expect(hidden.output).not.toContain('the-canary-sings')
    expect((await build(`${base}ADD Dockerfile /x\nRUN echo see http://${at}\n`)).outcome.ok).toBe(true)
  } finally {
    web.close()
  }
})

test('a step has no device, no new file system, no socket of the engine and no sight of the host', async () => {
  mkdirSync(join(builds.folder, 'canary'))
  writeFileSync(join(builds.folder, 'canary/secret'), 'the-canary-sings')
  const tries = [
    'mount -t tmpfs x /mnt',
    'mknod /tmp/disk b 8 0 && cat /tmp/disk',
    'ls /var/run/docker.sock',
    `cat /proc/1/root${builds.folder}/canary/secret ${builds.folder}/canary/secret`,
    'echo 1 > /proc/sys/kernel/core_pattern',
    'echo b > /proc/sysrq-trigger',
    'unshare -U id',
  ]
  const { outcome, output } = await build(`${base}${tries.map((one) => `RUN ${one} && echo GOT-IN; true\n`).join('')}`)
  expect(outcome.ok).toBe(true)
  expect(output.replaceAll(/RUN .*/g, '')).not.toMatch(/GOT-IN|the-canary-sings/)
})

test('volumes, triggers and working folders of a base image lead nowhere', async () => {
  const { outcome, output } = await build(
    `${base.replace('stable', 'stable AS base')}VOLUME /etc /proc\nONBUILD RUN cat /proc/self/status | grep Cap\nFROM busybox:stable\nWORKDIR /proc/self/fd/8\nRUN pwd; cat ../../../../etc/hostname; ls ../../../../${builds.folder} 2>&1; true\n`,
  )
  expect(output).not.toContain('the-canary-sings')
  expect(output.replaceAll(/RUN .*/g, '')).not.toContain('canary')
  expect([true, false]).toContain(outcome.ok)
})
