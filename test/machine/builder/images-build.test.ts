import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('images')
})
afterAll(() => images?.stop())

const imageOf = (run: { images: any[] }, name: string) => run.images.find((image) => image.name === name)
const isRoot = 'FROM busybox:stable\n'

test('an image is built from another one of the same run, and a test runs in it', async () => {
  const files = {
    'base/Dockerfile': `${isRoot}RUN echo base-${process.pid} > /base\n`,
    'web/Dockerfile': 'ARG BASE\nFROM $BASE\nRUN cp /base /web\n',
  }
  const { run, log } = await images.run(
    {
      images: { base: { context: 'base' }, web: { context: 'web', from: { BASE: 'base' } } },
      test: { unit: { image: 'web', run: ['cat /base /web'] } },
    },
    files,
  )
  expect([run.state, log]).toEqual(['succeeded', expect.stringContaining(`base-${process.pid}\nbase-${process.pid}\n`)])
  const layers = async (name: string) => (await images.manifest(name, imageOf(run, name).digest)).body.layers
  const [base, web] = [await layers('base'), await layers('web')]
  expect(web.slice(0, base.length)).toEqual(base)
  expect(log).toMatch(/^base \| #\d+ /m)
  expect(log).toMatch(/^web \| #\d+ /m)
})

test('three images are built side by side, and the first that fails ends the others', async () => {
  const slow = (seconds: number, end: string) => `${isRoot}RUN echo ${process.pid}; sleep ${seconds}; ${end}\n`
  const three = { images: { a: { context: 'a' }, b: { context: 'b' }, c: { context: 'c' } } }
  const files = (c: string) => ({
    'a/Dockerfile': slow(4, 'echo a ends'),
    'b/Dockerfile': slow(4, 'echo b ends'),
    'c/Dockerfile': c,
  })
  const good = await images.run(three, files(slow(4, 'echo c ends')))
  expect(good.run.state).toBe('succeeded')
  const build = good.run.stages.find((stage: { name: string }) => stage.name === 'build')
  expect(Date.parse(build.finishedAt) - Date.parse(build.startedAt)).toBeLessThan(10_000)
  for (const name of ['a', 'b', 'c']) expect(good.log).toMatch(new RegExp(`^${name} \\| #\\d+ ${name} ends$`, 'm'))

  const bad = await images.run(three, {
    'a/Dockerfile': slow(60, 'echo a ends'),
    'b/Dockerfile': slow(61, 'echo b ends'),
    'c/Dockerfile': slow(1, 'exit 7'),
  })
  expect(bad.run).toMatchObject({ state: 'failed', reason: { code: 'build_failed' } })
  expect(bad.run.reason.message).toMatch(/^Image c: .*exit code 7/)
  const failed = bad.run.stages.find((stage: { name: string }) => stage.name === 'build')
  expect(Date.parse(failed.finishedAt) - Date.parse(failed.startedAt)).toBeLessThan(15_000)
  expect(bad.log).not.toMatch(/^[ab] \| #\d+ [ab] ends$/m)
})

test('a published image bears its own labels and those of its origin, which leave the cache alone', async () => {
  const labels = {
    'org.opencontainers.image.title': 'Shop',
    'com.example.team': 'web',
    'org.opencontainers.image.revision': 'a lie',
  }
  const dockerfile = `${isRoot}LABEL org.opencontainers.image.source=elsewhere of=dockerfile\nRUN echo ${Date.now()} > /x\n`
  const { run } = await images.run({ images: { web: { labels } } }, { Dockerfile: dockerfile })
  expect(run.state).toBe('succeeded')
  const config = await images.configOf('web', run.images[0].digest)
  expect(config.config.Labels).toEqual({
    of: 'dockerfile',
    'org.opencontainers.image.title': 'Shop',
    'com.example.team': 'web',
    'org.opencontainers.image.source': expect.stringMatching(/^http:.*\/acme\/images-\d+/),
    'org.opencontainers.image.revision': run.sha,
    'org.opencontainers.image.created': run.createdAt,
    'org.opencontainers.image.url': run.url,
  })
  const again = await images.world.taxiway.call('POST', `/runs/${run.id}/rerun`)
  const second = await images.world.taxiway.waitRun(again.body.id, ({ state }) => state === 'succeeded', 60_000)
  const log = await images.world.taxiway.log(second.id)
  expect(log).toMatch(/#(\d+) \[2\/2\] RUN echo \d+ > \/x\n(.*\n)*#\1 CACHED/)
  const [before, after] = await Promise.all(
    [run, second].map(async ({ images: [web] }) => (await images.manifest('web', web.digest)).body.layers),
  )
  expect(after).toEqual(before)
})

test("Taxiway's own labels can't be set from the file", async () => {
  const { run } = await images.run({ images: { web: { labels: { 'taxiway.run': 'x' } } } })
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'config_invalid' } })
  expect(run.reason.message).toMatch(/images\.web\.labels\.taxiway\.run: .*does not begin with taxiway/)
})

test('the platform of the engine may be named; another one, or two, are refused with what the engine has', async () => {
  const { Os, Arch } = await images.docker.version()
  const has = `${Os}/${Arch}`
  const other = has === 'linux/arm64' ? 'linux/amd64' : 'linux/arm64'
  const good = await images.run({ images: { web: { platforms: [has] } } }, { Dockerfile: isRoot })
  expect(good.run.state).toBe('succeeded')
  for (const [platforms, words] of [
    [[other], other],
    [[has, other], `${has} and ${other}`],
  ] as const) {
    const { run } = await images.run({ images: { web: { platforms } } })
    expect(run).toMatchObject({ state: 'failed', reason: { code: 'platform_unavailable' } })
    expect(run.reason.message).toContain(`Image web asks for ${words}, and`)
    expect(run.reason.message).toContain(`the engine has: ${has}.`)
  }
})

test('more tags stand for the same digest, and no layer is pushed again for them', async () => {
  const tags = ['{branch}', 'build-{number}', 'run-1', `sha256-${'0'.repeat(64)}`]
  const { run, log } = await images.run({ images: { web: { tags } } }, { Dockerfile: `${isRoot}RUN echo tags > /t\n` })
  expect(run.state).toBe('succeeded')
  const { digest } = run.images[0]
  for (const tag of [`run-${run.number}`, 'main', `build-${run.number}`])
    expect([tag, (await images.manifest('web', tag)).digest]).toEqual([tag, digest])
  expect((await images.manifest('web', 'run-1').catch(() => ({ digest: 'none' }))).digest).not.toBe(digest)
  expect(log).toContain('tag run-1 is left out')
  expect(log).toMatch(/tag sha256-0+ is left out/)
  // The engine pushed once.
  expect(log.match(/The push refers to repository/g) ?? []).toHaveLength(1)
})
