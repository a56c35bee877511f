import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'
import { startPrivateRegistry } from '../../world/private-registry.ts'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const signal = new AbortController().signal
const folder = mkdtempSync(join(tmpdir(), 'taxiway-pulls-'))
let registry: Awaited<ReturnType<typeof startPrivateRegistry>>
let images: ImageWorld
let tool: string
const digests: Record<string, string> = {}

/** Publishes an image that says the word, under the word as its tag; the engine keeps no name of it. */
async function publish(word: string) {
  const Cmd = ['sh', '-c', `echo ${word} > /v; date +%N > /made`]
  const container = await engine.docker.createContainer({ Image: 'busybox:stable', Cmd })
  await container.start()
  await container.wait()
  const { Id } = await container.commit({ changes: 'CMD ["sh"]' })
  await container.remove()
  const order = { imageId: Id, repository: tool, tag: word, signal, deadlineMs: 30_000 }
  const pushed = await pushImage(engine, { ...order, auth: undefined })
  if (!pushed.ok) throw new Error(pushed.reason.message)
  digests[word] = pushed.value.digest
  for (const name of [`${tool}:${word}`, `${tool}@${pushed.value.digest}`]) await removeImage(engine, name)
}
/** Lets the tag stand for what another tag stands for, without the engine. */
async function move(tag: string, word: string) {
  const api = makeRegistryApi(registry.host, undefined)
  const found = await api.manifest('team/tool', word)
  if (!found) throw new Error(`there is no ${word}`)
  await api.putManifest('team/tool', tag, found)
}
const has = (tag: string) => pullImage(engine, `${tool}:${tag}`, { signal, deadlineMs: 30_000 })

beforeAll(async () => {
  registry = await startPrivateRegistry(join(folder, 'registry'), { password: false })
  tool = `${registry.host}/team/tool`
  await publish('one')
  await publish('two')
  images = await makeImageWorld('pulls')
})
beforeEach(() => move('latest', 'one'))
afterAll(async () => {
  await images?.stop()
  const named = [`${tool}:latest`, ...Object.values(digests).map((digest) => `${tool}@${digest}`)]
  for (const name of named) await removeImage(engine, name)
  await registry?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Pushes a build from the tag, a test in it and one beside it. @returns what each of them found in it */
async function use(more: object = {}) {
  const unit = {
    image: `${tool}:latest`,
    run: ['echo ran in $(cat /v)', 'wget -qO- http://side:8080/v | sed "s/^/beside /"'],
  }
  const side = { image: `${tool}:latest`, command: ['httpd', '-f', '-p', '8080', '-h', '/'], ready: { port: 8080 } }
  const { run, log } = await images.run(
    {
      images: { web: {} },
      test: { unit: { ...unit, services: { side } }, built: { image: 'web', run: ['echo built $(cat /v)'] } },
      ...more,
    },
    { Dockerfile: `FROM ${tool}:latest\nRUN echo ${Date.now()}\n` },
  )
  const word = (what: string) => new RegExp(`${what} (one|two)$`, 'm').exec(log)?.[1]
  return { run, log, words: [word('ran in'), word('beside'), word('built')] }
}
const notes = (run: any) => run.notes?.map(({ code }: any) => code) ?? []

test('a tag that has moved is seen by builds, tests and services, with its digest in the log and a note on the run', async () => {
  const first = await use()
  expect(first.words).toEqual(['one', 'one', 'one'])
  expect(first.log).toContain(`image web is made from ${tool}:latest, which is ${digests.one}`)
  expect(first.log).toContain(`test unit runs in ${tool}:latest, which is ${digests.one}`)
  expect(notes(first.run)).toEqual([])
  // Now the engine has it as well, as an image of a test.
  await move('latest', 'two')
  const second = await use()
  expect(second.words).toEqual(['two', 'two', 'two'])
  expect(second.log).toContain(`image web is made from ${tool}:latest, which is ${digests.two}`)
  expect(second.run.notes).toMatchObject([{ code: 'image_moved' }])
  expect(second.run.notes[0].message).toContain(digests.two?.slice(0, 19))
  // The registry is asked once for all of the run.
  expect(second.log.match(/pulling /g)).toHaveLength(1)
  expect(notes((await use()).run)).toEqual([])
})

test('with if-not-present the engine is asked first, and with never it alone', async () => {
  await has('latest')
  await move('latest', 'two')
  const kept = await use({ pull: 'if-not-present' })
  expect(kept.words).toEqual(['one', 'one', 'one'])
  expect(kept.log).not.toContain('pulling ')
  expect((await use({ pull: 'never' })).words).toEqual(['one', 'one', 'one'])
  for (const name of [`${tool}:latest`, `${tool}@${digests.one}`]) await removeImage(engine, name)
  for (const pipeline of [
    { images: { web: { pull: 'never' } } },
    { test: { unit: { image: `${tool}:latest`, pull: 'never', run: ['true'] } } },
  ]) {
    const { run } = await images.run(pipeline)
    expect(run).toMatchObject({ state: 'failed', reason: { code: 'image_not_allowed' } })
    expect(run.reason.message).toContain('pull: never')
  }
})

test('a registry that is away is waited for, unless the engine may answer for it', async () => {
  await has('latest')
  const { host } = registry
  await registry.stop()
  const { run } = await use()
  expect(run).toMatchObject({ state: 'errored', reason: { code: 'registry_unavailable' } })
  expect(run.reason.message).toContain(host)
  expect((await use({ pull: 'if-not-present' })).words).toEqual(['one', 'one', 'one'])
})
