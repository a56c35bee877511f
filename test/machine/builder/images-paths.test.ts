import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('monorepo')
})
afterAll(() => images?.stop())

const dockerfile = (name: string) => `FROM busybox:stable\nCOPY src /src\nRUN echo building ${name} > /built\n`
const pipeline = {
  images: {
    base: { context: 'base', paths: ['base/**'] },
    api: { context: 'api', paths: ['api/src/**'], tags: ['{branch}', 'build-{number}'] },
    web: { context: 'web', paths: ['web/**'], from: { BASE: 'base' } },
  },
  test: { unit: { image: 'api', run: ['cat /src/main'] }, more: { image: 'web', run: ['cat /src/main /base'] } },
}
const imageOf = (run: { images: any[] }, name: string) => run.images.find((image) => image.name === name)
const built = (log: string) => [...log.matchAll(/^building image (\w+) from/gm)].map((match) => match[1])

test('a push that touches one image builds that one, and takes the others by digest from the run before', async () => {
  const first = await images.run(pipeline, {
    'base/Dockerfile': 'FROM busybox:stable\nRUN echo the base > /base\n',
    'api/Dockerfile': dockerfile('api'),
    'api/src/main': `api ${process.pid}\n`,
    'web/Dockerfile': `ARG BASE\nFROM $BASE\nCOPY src /src\n`,
    'web/src/main': 'web one\n',
  })
  expect([first.run.state, built(first.log)]).toEqual(['succeeded', ['base', 'api', 'web']])

  // Nothing of it is in the engine under its name: what stays comes from the registry.
  for (const { reference } of first.run.images)
    await expect(images.docker.getImage(reference).inspect()).rejects.toThrow(/no such image/i)
  const second = await images.run(pipeline, { 'web/src/main': 'web two\n', 'api/README.md': 'Not among its paths.\n' })
  expect([second.run.state, built(second.log)]).toEqual(['succeeded', ['web']])
  for (const name of ['base', 'api']) {
    const { digest, reference } = imageOf(first.run, name)
    expect(imageOf(second.run, name)).toMatchObject({
      digest,
      reference,
      reusedFrom: digest,
      reusedRun: first.run.number,
    })
    expect(second.log).not.toMatch(new RegExp(`^${name} \\| #\\d+ `, 'm'))
    expect(second.log).toContain(`image ${name} is that of run ${first.run.number}`)
  }
  expect(imageOf(second.run, 'web').digest).not.toBe(imageOf(first.run, 'web').digest)
  expect(imageOf(second.run, 'web').reusedFrom).toBeUndefined()
  expect(second.log).toMatch(new RegExp(`^unit \\| api ${process.pid}$`, 'm'))
  expect(second.log).toMatch(/^more \| web two\nmore \| the base$/m)
  const pushed = second.log.match(/^.*The push refers to repository \[.*$/gm) ?? []
  expect(pushed).toEqual([expect.stringContaining('/web]')])
  // Its tags are those of the new run.
  for (const tag of ['main', `build-${second.run.number}`])
    expect((await images.manifest('api', tag)).digest).toBe(imageOf(first.run, 'api').digest)
  const statement = await images.world.taxiway.call('GET', `/runs/${second.run.id}/images/api/provenance`)
  expect(statement.body.predicate.buildDefinition.internalParameters.number).toBe(first.run.number)
})

test('an image is built again when what it is made from, its Dockerfile or its plan changes', async () => {
  const base = await images.run(pipeline, { 'base/Dockerfile': 'FROM busybox:stable\nRUN echo another base > /base\n' })
  expect([base.run.state, built(base.log)]).toEqual(['succeeded', ['base', 'web']])
  const file = await images.run(pipeline, { 'api/Dockerfile': `${dockerfile('api')}USER 1000\n` })
  expect([file.run.state, built(file.log)]).toEqual(['succeeded', ['api']])
  const { api, ...rest } = pipeline.images
  const plan = await images.run({ ...pipeline, images: { ...rest, api: { ...api, args: { A: '1' } } } })
  expect([plan.run.state, built(plan.log)]).toEqual(['succeeded', ['api']])
})

test('an image that is not in the registry any more is built again', async () => {
  const before = await images.run(pipeline)
  expect([before.run.state, built(before.log)]).toEqual(['succeeded', []])
  const { digest, reference } = imageOf(before.run, 'api')
  const [host, ...path] = reference.split('@')[0].split('/')
  const removed = await fetch(`http://${host}/v2/${path.join('/')}/manifests/${digest}`, { method: 'DELETE' })
  expect(removed.status).toBe(202)
  const after = await images.run(pipeline)
  expect([after.run.state, built(after.log)]).toEqual(['succeeded', ['api']])
  expect(imageOf(after.run, 'api').reusedFrom).toBeUndefined()
  expect((await images.manifest('api', imageOf(after.run, 'api').digest)).body.layers.length).toBeGreaterThan(0)
})
