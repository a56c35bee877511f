import { randomBytes } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { dockerScene } from '../docker/docker-scene.ts'

vi.setConfig({ testTimeout: 60_000 })
const { build } = dockerScene()
/** Steps are known by their words, and no earlier test shall have run these. */
const word = () => randomBytes(6).toString('hex')

test('a cache mount is seen by builds of the same owner, and by no others, whatever its id', async () => {
  const id = word()
  const leave = (who: string) =>
    `FROM busybox:stable\nRUN --mount=type=cache,id=${id},target=/kept echo left by ${who} > /kept/tool; echo ${word()}\n`
  const look = (ids: string) =>
    `FROM busybox:stable\nRUN --mount=type=cache,id=${ids},target=/kept echo FOUND $(cat /kept/tool || echo nothing) ${word()}\n`
  const found = async (cacheMounts: string, ids = id) => {
    const { built, lines } = await build(look(ids), { cacheMounts })
    expect(built).toMatchObject({ ok: true })
    return lines.map((line) => /FOUND (\S+( by \S+)?) [0-9a-f]+$/.exec(line)?.[1]).find(Boolean)
  }
  expect((await build(leave('a'), { cacheMounts: 'a' })).built).toMatchObject({ ok: true })
  expect(await found('a')).toBe('left by a')
  expect(await found('b')).toBe('nothing')
  for (const climbing of [`../${id}`, `/${id}`, `x/../../${id}`]) expect(await found('b', climbing)).toBe('nothing')
})

test('a Dockerfile can not choose whose cache mounts it gets', async () => {
  const id = word()
  const dockerfile = (more: string, what: string) =>
    `${more}FROM busybox:stable\n${more}RUN --mount=type=cache,id=${id},target=/kept ${what} # ${word()}\n`
  await build(dockerfile('', 'echo secret > /kept/tool'), { cacheMounts: 'a' })
  const taken = await build(dockerfile('ARG BUILDKIT_CACHE_MOUNT_NS=a\n', '! cat /kept/tool'), { cacheMounts: 'b' })
  expect(taken.built).toMatchObject({ ok: true })
})
