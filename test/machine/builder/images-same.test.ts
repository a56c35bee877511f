import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'

let images: ImageWorld
beforeAll(async () => {
  images = await makeImageWorld('same')
})
afterAll(() => images?.stop())

const text = randomBytes(8).toString('hex')
const pipeline = {
  images: { web: { context: 'web', tags: ['newest'] }, job: { context: 'job' } },
  test: { web: { image: 'web', run: ['cat /page'] } },
}
const first = {
  'web/Dockerfile': 'FROM busybox:stable\nRUN mkdir /made\nCOPY page /page\n',
  'web/page': text,
  'job/Dockerfile': `FROM busybox:stable\nCMD echo ${text}\n`,
}
const digestsOf = ({ images }: any) => Object.fromEntries(images.map(({ name, digest }: any) => [name, digest]))

test('a push that changes nothing of an image gives it no other digest, though it has no paths; one that does changes that one', async () => {
  const one = await images.run(pipeline, first)
  expect(one.run.state, one.log).toBe('succeeded')
  const two = await images.run(pipeline, { 'README.md': 'What this is.\n' })
  expect(two.run.state, two.log).toBe('succeeded')
  expect(digestsOf(two.run)).toEqual(digestsOf(one.run))
  expect(two.log).toContain('image web holds the same as that of run 1, which stays: ')
  expect((await images.manifest('web', 'newest')).digest).toBe(digestsOf(one.run).web)
  const three = await images.run(pipeline, { 'web/page': `${text} and more` })
  expect(three.run.state, three.log).toBe('succeeded')
  expect(digestsOf(three.run).job).toBe(digestsOf(one.run).job)
  expect(digestsOf(three.run).web).not.toBe(digestsOf(one.run).web)
  const { digest } = await images.manifest('web', 'newest')
  expect(digest).toBe(digestsOf(three.run).web)
  const { config } = await images.configOf('web', digest)
  expect(config.Labels['org.opencontainers.image.revision']).toBe(three.run.sha)
})
