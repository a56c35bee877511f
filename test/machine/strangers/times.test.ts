import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { removeImage } from '@taxiway/docker/image/image.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('times')
})
afterAll(() => images?.stop())

/** Does what make does: compiles again when the source is newer than the program that an earlier build left. */
const make = `FROM busybox:stable
COPY . /src
RUN --mount=type=cache,target=/build \
  if [ ! -e /build/greeting ] || [ /src/greeting.c -nt /build/greeting ]; then cp /src/greeting.c /build/greeting; echo MADE; fi; \
  cp /build/greeting /greeting
`
const push = async (greeting: string, more: Record<string, string> = {}) => {
  const { run, log } = await images.run(
    { images: { web: {} }, test: { unit: { run: ['echo greeting $(cat /greeting)'] } } },
    { Dockerfile: make, 'greeting.c': greeting, ...more },
  )
  expect(run.state).toBe('succeeded')
  // A run is told to be over a moment before its workspace is given back; until then the next one would get another.
  await expect.poll(() => readdirSync(join(images.world.taxiway.data, 'spares'))).toHaveLength(1)
  return { log, greeting: /^greeting (\w+)$/m.exec(log)?.[1], made: /#\d+ MADE$/m.test(log) }
}

test('what a push changes is newer than what earlier builds left in a cache mount, also when it comes back', async () => {
  // Words that no engine has built before.
  const [one, two] = [`one${Date.now()}`, `two${Date.now()}`]
  expect(await push(one)).toMatchObject({ greeting: one, made: true })
  expect(await push(two)).toMatchObject({ greeting: two, made: true })
  expect(await push(one, { other: 'x' })).toMatchObject({ greeting: one, made: true })
  // What has not changed is not newer: the program is kept.
  expect(await push(one, { other: 'y' })).toMatchObject({ greeting: one, made: false })
})

/** The same, with a file of its own for each COPY: one of them comes from the engine's cache while the other is new. */
const apart = make.replace('COPY . /src', 'COPY greeting.c /src/\nCOPY other /src/')

test('a COPY that comes back from the cache of the engine brings no old times to a cache mount', async () => {
  const [one, two] = [`one${Date.now()}`, `two${Date.now()}`]
  const from = (greeting: string, other: string) => push(greeting, { Dockerfile: apart, other })
  expect(await from(one, 'x')).toMatchObject({ greeting: one, made: true })
  expect(await from(two, 'x')).toMatchObject({ greeting: two, made: true })
  expect(await from(one, 'y')).toMatchObject({ greeting: one, made: true })
  const last = await from(one, 'z')
  expect(last).toMatchObject({ greeting: one, made: false })
  expect(last.log).toMatch(/#(\d+) \[.*2\/4\] COPY greeting.c \/src\/\n(.*\n)*#\1 CACHED/)
})

test('what another workspace has built on the engine brings no old times either', async () => {
  const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-times-'))
  const built = async (workspace: string, greeting: string, atS: number) => {
    writeFileSync(join(folder, 'greeting.c'), greeting)
    writeFileSync(join(folder, 'other'), `${workspace} ${atS}`)
    writeFileSync(join(folder, 'Dockerfile'), `${apart}RUN echo IS $(cat /greeting)\n`)
    const packing = { folder, subfolder: '.', dockerfile: 'Dockerfile', maxMb: 1, maxFiles: 9 }
    const context = await packContext({ ...packing, timeMsOf: () => atS * 1000 })
    if (!context.ok) throw new Error(context.reason.message)
    let log = ''
    const order = { image: 'times', context: context.value, sharedKey: workspace, cacheMounts: workspace }
    const tags = [`taxiway-work/times${process.pid}:1-web`]
    const signal = new AbortController().signal
    await buildImage(engine, {
      ...order,
      tags,
      signal,
      deadlineMs: 60_000,
      onLine({ text }) {
        log += `${text}\n`
      },
    })
    await removeImage(engine, tags[0] ?? '')
    return /IS (\w+)$/m.exec(log)?.[1]
  }
  const nowS = Math.round(Date.now() / 1000)
  const [one, two] = [`one${randomUUID().slice(0, 8)}`, `two${randomUUID().slice(0, 8)}`]
  const [theirs, ours] = [randomUUID(), randomUUID()]
  expect(await built(theirs, one, nowS - 100)).toBe(one)
  expect(await built(ours, two, nowS - 50)).toBe(two)
  expect(await built(ours, one, nowS + 100)).toBe(one)
  rmSync(folder, { recursive: true })
})

test('files, links and folders are of this year, and the same content comes from the cache', async () => {
  const dockerfile = `FROM busybox:stable\nCOPY pages /pages\nRUN date +NOW=%s; stat -c '%n=%Y' /pages /pages/index.html /pages/sub\n`
  const files = { Dockerfile: dockerfile, 'pages/index.html': `${process.pid}`, 'pages/sub/a': 'a' }
  const first = await images.run({ images: { web: {} } }, files)
  const times = [...first.log.matchAll(/#\d+ ([^= ]+)=(\d+)$/gm)].map(([, name, at]) => [name, Number(at)] as const)
  const now = times.find(([name]) => name === 'NOW')?.[1] ?? 0
  expect(times.map(([name]) => name)).toEqual(['NOW', '/pages', '/pages/index.html', '/pages/sub'])
  for (const [, at] of times) expect(Math.abs(now - at)).toBeLessThan(600)
  const again = await images.run({ images: { web: {} } }, { ...files, 'other.txt': 'x' })
  expect(again.log).toMatch(/#(\d+) \[\d\/3\] COPY pages \/pages\n(.*\n)*#\1 CACHED/)
})
