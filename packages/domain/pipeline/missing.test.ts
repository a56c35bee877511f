import { expect, test } from 'vitest'
import { listed, missingIn } from './missing.ts'
import type { Pipeline } from './pipeline.ts'

const tree = [
  'Dockerfile',
  'docker/web.Dockerfile',
  'api/Dockerfile',
  'k8s/base/web.yaml',
  'linked',
  'package-lock.json',
]
const missing = async (pipeline: Omit<Pipeline, 'version'>, files = tree) =>
  (await missingIn({ version: 1, ...pipeline }, listed(files))).map(
    ({ path, detail }) => `${path.join('.')}: ${detail}`,
  )

test('a tree that has all that its file names is complete', async () => {
  const web = { dockerfile: 'docker/web.Dockerfile' }
  const cache = [{ path: '/root/.npm', key: ['package-lock.json', './api/../package-lock.json'] }]
  expect(
    await missing({
      images: {
        all: {},
        api: { context: './api/' },
        web,
        top: { context: 'api', ...web },
        link: { context: 'linked' },
      },
      test: { unit: { run: ['x'], cache } },
      deploy: { live: {}, base: { manifests: 'k8s/base' }, next: { components: {} } },
    }),
  ).toEqual([])
})

test('each Dockerfile, folder and file that is not there is told', async () => {
  expect(
    await missing({
      images: { web: { dockerfile: 'web.Dockerfile' }, api: { context: 'apl' }, docs: { context: 'docker' } },
      test: { unit: { run: ['x'], cache: [{ path: '/c', key: ['package-lock.json', 'yarn.lock'] }] } },
      deploy: { live: { manifests: 'k9s' }, next: { values: ['values.yaml'] } },
    }),
  ).toEqual([
    'images.web.dockerfile: the tree has no web.Dockerfile',
    'images.api.context: the tree has no folder apl',
    'images.docs: the tree has no docker/Dockerfile',
    'test.unit.cache.0.key.1: the tree has no yarn.lock',
    'deploy.live.manifests: the tree has no k9s',
    'deploy.next.values.0: the tree has no values.yaml',
  ])
  expect(await missing({ images: { web: {} } }, [])).toEqual(['images.web: the tree has no Dockerfile'])
})

test('a list of many deep paths takes moments', () => {
  const paths = Array.from({ length: 1000 }, (_, index) => `${index}/${'a/'.repeat(490)}b`)
  const startedMs = performance.now()
  const has = listed(paths)
  for (let index = 0; index < 1000; index++) expect(has(`${index}/${'a/'.repeat(200)}`)).toBe(true)
  expect([has(`1/${'a/'.repeat(490)}b`), has(`1/${'a/'.repeat(300)}b`)]).toEqual([true, false])
  expect(performance.now() - startedMs).toBeLessThan(1000)
})
