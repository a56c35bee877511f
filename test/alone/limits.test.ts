import { randomBytes } from 'node:crypto'
import { type RunOrder, runContainer } from '@taxiway/docker/container/container.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { objectName, removeRun, workLabels } from '@taxiway/docker/engine/labels.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { afterAll, expect, test } from 'vitest'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const run = newId<string>('run', randomBytes)
afterAll(() => removeRun(engine, run))

async function runs(script: string, more: Partial<RunOrder> = {}) {
  const owner = { run, attempt: 1, step: randomBytes(4).toString('hex'), repository: 'shop/web' }
  let output = ''
  const ran = await runContainer(engine, {
    name: objectName(owner),
    image: 'busybox:stable',
    command: ['sh', '-c', script],
    labels: workLabels(owner),
    network: 'none',
    memoryMb: 64,
    cpus: 0.5,
    pids: 40,
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    onOutput: (chunk) => {
      output += chunk.toString()
    },
    ...more,
  })
  if (!ran.ok) throw new Error(ran.reason.message)
  return { ran: ran.value, output }
}

test('a container that writes more than its disk is ended for that', async () => {
  const { ran } = await runs('dd if=/dev/zero of=/big bs=1M count=60 2>/dev/null; sleep 50', { diskMb: 20 })
  expect(ran).toMatchObject({ exitCode: 137, timedOut: false, met: { what: 'disk', limit: '20 MB' } })
  expect(ran.durationMs).toBeLessThan(20_000)
})

test('a container that stays within its disk is left alone', async () => {
  const { ran } = await runs('dd if=/dev/zero of=/some bs=1M count=5 2>/dev/null; sleep 7', { diskMb: 20 })
  expect(ran).toMatchObject({ exitCode: 0 })
  expect(ran.met).toBeUndefined()
})

test('a container that makes files without end is ended for that, though they are empty', async () => {
  const { ran } = await runs('mkdir /f; cd /f; i=0; while :; do : > $i; i=$((i+1)); done', { diskMb: 20, files: 2000 })
  expect(ran).toMatchObject({ exitCode: 137, met: { what: 'files', limit: '2000' } })
  expect(ran.durationMs).toBeLessThan(20_000)
})

test('a fork bomb that goes on is ended, and named by its processes', async () => {
  const { ran } = await runs('while :; do (while :; do sleep 50 & done); done 2>/dev/null')
  expect(ran).toMatchObject({ exitCode: 137, timedOut: false, met: { what: 'processes', limit: '40' } })
  expect(ran.durationMs).toBeLessThan(20_000)
})

test('memory without swap, files, core, shared memory and processors have ends', async () => {
  const { output } = await runs(`
    echo files $(ulimit -n) core $(ulimit -c)
    cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
    echo quota $(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null)
    df -k /dev/shm | tail -1`)
  const files = Number(/files (\d+) core 0/.exec(output)?.[1])
  // 65,536, or what an engine has that may not give so many.
  expect(files).toBeGreaterThanOrEqual(16_384)
  expect(files).toBeLessThanOrEqual(65_536)
  expect(output).toContain(String(64 * 2 ** 20))
  expect(output).toMatch(/quota 50000/)
  expect(output).toMatch(/65536 .*\/dev\/shm/)
})

test('what leads out of a container is closed', async () => {
  const tries = {
    mount: 'mount -t tmpfs x /mnt',
    device: 'mknod /tmp/disk b 8 0 && cat /tmp/disk',
    namespace: 'unshare -U id',
    socket: 'ls /var/run/docker.sock',
    'core pattern': 'echo x > /proc/sys/kernel/core_pattern',
    'system request': 'echo b > /proc/sysrq-trigger',
    kernel: 'echo x > /sys/kernel/mm/ksm/run',
    keys: '[ -s /proc/keys ] && cat /proc/keys',
    memory: '[ -s /proc/kcore ] && head -c 1 /proc/kcore',
    clock: 'date -s 2020-01-01; [ $(date +%Y) = 2020 ]',
    host: 'hostname other',
    'raw socket': 'ping -c 1 127.0.0.1',
    'more rights': '! grep -q "CapBnd:.*0000005eb$" /proc/self/status',
    'other processes': '[ $(ls /proc | grep -c "^[0-9]") -gt 12 ]',
  }
  const script = Object.entries(tries).map(([name, one]) => `(${one}) >/dev/null 2>&1 && echo "GOT ${name}"`)
  const { output } = await runs(`${script.join('\n')}\necho end`)
  expect(output).toBe('end\n')
})
