import { expect, test } from 'vitest'
import { deployProblem } from './deploy-problem.ts'
import type { Pipeline } from './pipeline.ts'

const pipeline: Pipeline = { version: 1, images: { web: {}, worker: {} } }
type Component = NonNullable<NonNullable<NonNullable<Pipeline['deploy']>[string]['components']>[string]>
const problem = (component: Component, name = 'web', more = {}) => {
  const found = deployProblem(pipeline, { components: { [name]: component }, ...more })
  return found && `${found.path.join('.')}: ${found.detail}`
}

test('what goes together is taken', () => {
  expect(problem({ image: 'web', port: 80, host: 'shop.example.com', health: { path: '/' } })).toBeUndefined()
  expect(problem({ image: `redis@sha256:${'a'.repeat(64)}`, port: 6379 })).toBeUndefined()
  expect(deployProblem(pipeline, { manifests: 'k8s' })).toBeUndefined()
})

test.each<[string, Component, string?, object?]>([
  ['components: stands in the place of manifests', { image: 'web' }, 'web', { manifests: 'k8s' }],
  ['components.web: name its image', {}],
  ["components.web.image: wep is not one of this pipeline's images; did you mean web?", { image: 'wep' }],
  ["components.web.image: postgres is not one of this pipeline's images; another one is pinned", { image: 'postgres' }],
  ['components.1st: its name begins with a letter', { image: 'web' }, '1st'],
  ['components.web.host: needs a port', { image: 'web', host: 'shop.example.com' }],
  ['components.web.health: needs a port', { image: 'web', health: { path: '/' } }],
  [
    'components.web.autoscaling: stands in the place of replicas',
    { image: 'web', replicas: 2, autoscaling: { min: 1, max: 2 } },
  ],
  ['components.web.autoscaling.min: is more than max (2)', { image: 'web', autoscaling: { min: 3, max: 2 } }],
  ['components.web.secrets: TOKEN stands in env as well', { image: 'web', env: { TOKEN: '' }, secrets: ['TOKEN'] }],
])('%s', (words, component, name, more) => {
  expect(problem(component, name, more)).toContain(words)
})

test('values of a chart that name images name those of this pipeline', () => {
  expect(deployProblem(pipeline, { images: { web: 'image', worker: ['a.repository', 'a.tag'] } })).toBeUndefined()
  expect(deployProblem(pipeline, { images: { wep: 'image' } })).toEqual({
    path: ['images', 'wep'],
    detail: 'this pipeline has no image wep; did you mean web?',
  })
  expect(problem({ image: 'web' }, 'web', { set: { a: 1 } })).toBe('set: is for Helm charts, not for components')
})
