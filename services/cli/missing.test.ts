import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pipeline } from '@taxiway/domain/pipeline/pipeline.ts'
import { expect, test } from 'vitest'
import { missingIn } from './missing.ts'

const root = mkdtempSync(join(tmpdir(), 'missing-'))
for (const folder of ['api', 'k8s', 'docker']) mkdirSync(join(root, folder))
for (const file of ['Dockerfile', 'docker/web.Dockerfile', 'api/Dockerfile']) writeFileSync(join(root, file), '')
const missing = async (pipeline: Omit<Pipeline, 'version'>) =>
  (await missingIn(root, { version: 1, ...pipeline })).map(({ path, detail }) => `${path.join('.')}: ${detail}`)

test('a tree that has all that its file names is complete', async () => {
  const web = { dockerfile: 'docker/web.Dockerfile' }
  expect(
    await missing({
      images: { all: {}, api: { context: 'api' }, web },
      deploy: { live: {}, next: { components: {} } },
    }),
  ).toEqual([])
})

test('each Dockerfile, folder and file that is not there is told', async () => {
  expect(
    await missing({
      images: { web: { dockerfile: 'web.Dockerfile' }, api: { context: 'apl' }, docs: { context: 'docker' } },
      deploy: { live: { manifests: 'k9s' }, next: { values: ['values.yaml'] } },
    }),
  ).toEqual([
    'images.web.dockerfile: the tree has no web.Dockerfile',
    'images.api.context: the tree has no folder apl',
    'images.docs: the tree has no docker/Dockerfile',
    'deploy.live.manifests: the tree has no k9s',
    'deploy.next.values: the tree has no values.yaml',
  ])
})
