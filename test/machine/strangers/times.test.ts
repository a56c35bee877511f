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
