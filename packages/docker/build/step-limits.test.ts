import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { guardedSteps, tellEndedSteps } from './guarded-steps.ts'
import { limitBuildSteps } from './step-limits.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-steps-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A tree as the kernel shows one, with these files. */
async function kills(files: Record<string, string>): Promise<number> {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const limits = { memoryMb: 64, pids: 40, cpus: 1 }
  const limiter = await limitBuildSteps({ ...limits, cgroup: 'docker/buildkit', root: join(folder, 'sys/fs/cgroup') })
  try {
    return await limiter.memoryKills()
  } finally {
    limiter.stop()
  }
}

test('kills for want of memory are those that the kernel counts: below the folder, or on the machine', async () => {
  const procs = ['pids', 'memory', 'cpu'].map((kind) => `sys/fs/cgroup/${kind}/docker/buildkit/cgroup.procs`)
  const version1 = Object.fromEntries(procs.map((path) => [path, '']))
  expect(await kills({ ...version1, 'proc/vmstat': 'oom_kill_all 9\noom_kill 3\n' })).toBe(3)
  const unified = 'sys/fs/cgroup/docker/buildkit'
  const version2 = { 'sys/fs/cgroup/cgroup.controllers': '', [`${unified}/cgroup.procs`]: '' }
  const events = 'oom 2\noom_kill 1\noom_group_kill 0\n'
  expect(await kills({ ...version2, [`${unified}/memory.events`]: events })).toBe(1)
})

test('steps are found where systemd drives the cgroups, and what is beside them is left alone', async () => {
  const make = (...path: string[]) => {
    mkdirSync(join(folder, ...path), { recursive: true })
    return join(folder, ...path, 'pids.max')
  }
  make('docker/buildkit')
  writeFileSync(join(folder, 'cgroup.controllers'), '')
  writeFileSync(join(folder, 'docker/buildkit/cgroup.procs'), '')
  const files = [make('docker/buildkit/abc'), make('system.slice/system.slice:docker:abc')]
  const other = make('system.slice/ssh.service')
  const limits = { memoryMb: 64, pids: 40, cpus: 1, diskMb: 50, files: 20 }
  const limiter = await limitBuildSteps({ ...limits, cgroup: 'docker/buildkit', root: folder })
  limiter.stop()
  expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['40', '40'])
  expect(existsSync(other)).toBe(false)
})

test('a builder knows by its guard which steps were ended, and of none without one', async () => {
  expect(guardedSteps(folder).endedSince(0)).toBeUndefined()
  await tellEndedSteps(folder, [{ what: 'disk', limit: '50 MB', atMs: 1000 }])
  expect(guardedSteps(folder).endedSince(900)).toMatchObject({ what: 'disk', limit: '50 MB' })
  expect(guardedSteps(folder).endedSince(1100)).toBeUndefined()
})
