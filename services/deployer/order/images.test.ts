import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, refuse } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import type { PolicyRules } from '../policy/rules.ts'
import { builtImage, referencesOf, resolveImages } from './images.ts'

const web = `registry.example.com/shop/web@sha256:${'a'.repeat(64)}`
const digest = `sha256:${'b'.repeat(64)}`
const run = { images: [{ name: 'web', reference: web }], plan: { images: [{ name: 'web', as: 'ghcr.io/acme/shop' }] } }
const references = referencesOf(run as never)

test.each([
  ['web', web],
  ['web:latest', web],
  ['web:1.16.0', web],
  ['ghcr.io/acme/shop', web],
  ['ghcr.io/acme/shop:v2', web],
  [`ghcr.io/acme/shop@${digest}`, web],
  [`ghcr.io/acme/shop:v2@${digest}`, web],
  ['registry.example.com/shop/web:run-7', web],
  [`registry.example.com/shop/web@${digest}`, web],
  [`web@${digest}`, undefined],
  ['webs', undefined],
  ['acme/web', undefined],
  ['ghcr.io/acme/shop/web', undefined],
  ['constructor', undefined],
])('%s is an image of the pipeline: %s', (image, reference) => {
  expect(builtImage(image, references)).toBe(reference)
})

const pod = (...images: string[]) => ({
  spec: { containers: images.map((image, index) => ({ name: `c${index}`, image })) },
})
const deployment = (...images: string[]): RenderedObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { template: pod(...images) },
})
const cronJob = (image: string): RenderedObject => ({
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name: 'nightly' },
  spec: { jobTemplate: { spec: { template: pod(image) } } },
})
async function resolve(objects: RenderedObject[], rules: PolicyRules = {}) {
  const asked: string[] = []
  const said: string[] = []
  const found = await resolveImages(objects, {
    references,
    rules,
    titleOf: ({ kind, metadata }) => `${kind}/${metadata.name}`,
    digestOf: async (image) => {
      asked.push(image)
      return image.startsWith('away') ? refuse('registry_unavailable', { registry: 'away', detail: 'x' }) : done(digest)
    },
    say: (line) => void said.push(line),
  })
  return { ...found, reasons: found.reasons.map(({ code, message }) => `${code}: ${message}`), asked, said }
}

test('a tag of another image is resolved at its registry once, and said in the log', async () => {
  const found = await resolve([deployment('web:latest', 'postgres:17', 'postgres:17'), cronJob('web')], {
    images: ['postgres'],
  })
  expect(found).toEqual({
    resolved: { web, 'web:latest': web, 'postgres:17': `postgres:17@${digest}` },
    reasons: [],
    asked: ['postgres:17'],
    said: [`image web:latest is this pipeline's: ${web}`, `image postgres:17 is ${digest} now`],
  })
})

test('an image that no rule lists is refused with the rule, and no registry is asked', async () => {
  const found = await resolve([deployment('redis:7', '127.0.0.1:5000/x', 'Not A Name', '')], { images: ['postgres'] })
  expect(found.asked).toEqual([])
  expect(found.reasons).toEqual([
    'image_unresolved: Deployment/web uses image redis:7, which this pipeline does not build. Let the pipeline build it, or have an admin rule images: ["redis"] for the environment.',
    expect.stringContaining('images: ["127.0.0.1:5000/x"]'),
    expect.stringMatching(/^image_unresolved: .* Not A Name/),
    expect.stringMatching(/^image_unresolved: .* \(none\)/),
  ])
})

test.each([
  ['postgres', 'postgres:17'],
  ['postgres', 'docker.io/library/postgres:17'],
  ['docker.io/library/', 'postgres:17'],
  ['docker.io/', 'bitnami/redis'],
  ['ghcr.io/acme', 'ghcr.io/acme/tool:1'],
])('the rule %s lists %s', async (rule, image) => {
  expect(await resolve([deployment(image)], { images: [rule] })).toMatchObject({ reasons: [], asked: [image] })
})

test('a rule may want digests', async () => {
  const rules: PolicyRules = { images: ['postgres'], digests: 'required' }
  const found = await resolve([deployment('postgres:17', `postgres@${digest}`)], rules)
  expect(found.asked).toEqual([])
  expect(found.reasons).toEqual([expect.stringContaining('wants it with its digest')])
})

test('a registry that can not be asked is named as the reason, beside all others', async () => {
  const found = await resolve([deployment('away/x:1', 'redis')], { images: ['away'] })
  expect(found.reasons.map((one) => one.split(':')[0])).toEqual(['registry_unavailable', 'image_unresolved'])
})
