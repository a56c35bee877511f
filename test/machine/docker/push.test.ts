import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { imageExists, pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { expect, test, vi } from 'vitest'
import { dockerScene, never } from './docker-scene.ts'

vi.setConfig({ testTimeout: 60_000 })
const { engine, registry, run, build, runs } = dockerScene()

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
