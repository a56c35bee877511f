import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { type RunOrder, runContainer } from '@taxiway/docker/container/container.ts'
import { connectEngine, type Engine } from '@taxiway/docker/engine/engine.ts'
import { objectName, workImage, workLabels } from '@taxiway/docker/engine/labels.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OwnEngine, startOwnEngine } from '../../world/own-engine.ts'

let own: OwnEngine
let engine: Engine
const [mine, theirs] = [newId<string>('run', randomBytes), newId<string>('run', randomBytes)]
const folder = mkdtempSync(join(tmpdir(), 'taxiway-tenants-'))
const secret = randomBytes(12).toString('hex')
beforeAll(async () => {
  own = await startOwnEngine(join(folder, 'engine'), connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' }))
  engine = own.engine
})
afterAll(async () => {
  await own?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function build(run: string, dockerfile: string, args: Record<string, string> = {}) {
  const context = mkdtempSync(join(folder, 'context-'))
  writeFileSync(join(context, 'Dockerfile'), dockerfile)
  const packed = await packContext({ folder: context, subfolder: '.', dockerfile: 'Dockerfile', maxMb: 5, maxFiles: 9 })
  if (!packed.ok) throw new Error(packed.reason.message)
  let output = ''
  const outcome = await buildImage(engine, {
    image: 'web',
    context: packed.value,
    tags: [workImage({}, { run, attempt: 1, step: 'web' })],
    args,
    cacheMounts: run,
    signal: new AbortController().signal,
    deadlineMs: 60_000,
    onLine: ({ text }) => {
      output += `${text}\n`
    },
  })
  return { outcome, output }
}
async function runs(run: string, script: string, more: Partial<RunOrder> = {}): Promise<string> {
  const owner = { run, attempt: 1, step: randomBytes(4).toString('hex'), repository: run }
  let output = ''
  await runContainer(engine, {
    name: objectName(owner),
    image: 'busybox:stable',
    command: ['sh', '-c', script],
    labels: workLabels(owner),
    network: 'none',
    memoryMb: 32,
    cpus: 0.5,
    pids: 32,
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    onOutput: (chunk) => {
      output += chunk.toString()
    },
    ...more,
  })
  return output
}

test("another run's image can't be built from, in whatever way its name is written", async () => {
  const image = workImage({}, { run: theirs, attempt: 1, step: 'web' })
  const made = await build(theirs, `FROM busybox:stable\nARG SECRET\nRUN echo $SECRET > /secret\n`, { SECRET: secret })
  expect(made.outcome).toMatchObject({ ok: true })
  const [first, rest] = [image.slice(0, 5), image.slice(5)]
  const ways = [
    `FROM ${image}\nRUN cat /secret\n`,
    `FROM docker.io/${image}\nRUN cat /secret\n`,
    `ARG A=${first}\nFROM \${A}${rest}\nRUN cat /secret\n`,
    `FROM busybox:stable\nCOPY --from=${image} /secret /secret\nRUN cat /secret\n`,
    `FROM busybox:stable\nRUN --mount=type=bind,from=${image},target=/other cat /other/secret\n`,
  ]
  for (const way of ways) {
    const { outcome, output } = await build(mine, way)
    expect([way, outcome.ok ? 'ok' : outcome.reason.code]).toEqual([way, 'option_not_allowed'])
    expect(output).not.toContain(secret)
  }
})

test("a run's own images may be built from, and words in a command are only words", async () => {
  expect((await build(mine, 'FROM busybox:stable\nRUN echo own > /own\n')).outcome).toMatchObject({ ok: true })
  const own = workImage({}, { run: mine, attempt: 1, step: 'web' })
  expect((await build(mine, `FROM ${own}\nRUN cat /own\n`)).outcome.ok).toBe(true)
  const words = `FROM busybox:stable\nRUN echo ${workImage({}, { run: theirs, attempt: 1, step: 'web' })} # ${mine}\n`
  expect((await build(mine, words)).outcome.ok).toBe(true)
})

test("a test sees no process, file, volume or message queue of another run's test", async () => {
  const other = runs(theirs, `echo ${secret} > /tmp/left; echo ${secret} > /dev/shm/left; sleep 6; : ${secret}`)
  await new Promise((resolve) => setTimeout(resolve, 2500))
  const seen = await runs(
    mine,
    'cat /proc/[0-9]*/cmdline | tr "\\000" " "; cat /tmp/left /dev/shm/left 2>&1; mount; ls /var/lib/docker /var/run 2>&1',
  )
  await other
  expect(seen).not.toContain(secret)
  expect(seen).not.toContain('docker.sock')
})

test('what a test writes is gone with it', async () => {
  await runs(theirs, `echo ${secret} > /left; echo ${secret} > /tmp/left`)
  expect(await runs(mine, 'cat /left /tmp/left 2>&1')).not.toContain(secret)
  const volumes = (await engine.docker.listVolumes()).Volumes ?? []
  expect(volumes.filter(({ Labels }) => Labels?.['taxiway.run'] === theirs)).toEqual([])
})
