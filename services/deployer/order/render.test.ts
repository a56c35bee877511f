import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { type RenderContext, render } from './render.ts'

const reference = `registry/shop/web@sha256:${'a'.repeat(64)}`
const pinned = `docker.io/library/redis@sha256:${'b'.repeat(64)}`
const context: RenderContext = {
  repositoryId: 'repo_1',
  repositoryName: 'acme/shop',
  environment: 'staging',
  namespace: 'shop-staging',
  runId: 'run_1',
  sha: 'f'.repeat(40),
  generation: 7,
  references: { web: reference, unused: `registry/unused@sha256:${'c'.repeat(64)}` },
}
const deployment = (image: string): RenderedObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' }, creationTimestamp: null },
  spec: {
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        initContainers: [{ name: 'migrate', image }],
        containers: [
          { name: 'web', image, ports: [{ containerPort: 80 }] },
          { name: 'cache', image: pinned },
        ],
      },
    },
  },
  status: {},
})
const service: RenderedObject = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }] },
}
const rendered = (...objects: RenderedObject[]) => {
  const outcome = render(objects, context)
  if (!outcome.ok) throw new Error(outcome.reason.message)
  return outcome.value
}

test('digests stand where images of the pipeline were named, and only those used are listed', () => {
  const { objects, digests } = rendered(deployment('web'))
  expect(objects[0]).toMatchObject({
    spec: {
      template: {
        spec: {
          automountServiceAccountToken: false,
          initContainers: [{ image: reference }],
          containers: [{ image: reference, ports: [{ containerPort: 80, protocol: 'TCP' }] }, { image: pinned }],
        },
      },
    },
  })
  expect(digests).toEqual([reference])
})

test.each(['nginx', 'web:latest', 'constructor', 'x@sha256:12', ''])('image "%s" is not resolved', (image) => {
  const outcome = render([deployment(image)], context)
  expect(!outcome.ok && outcome.reason.code).toBe('image_unresolved')
})

test('digests stand wherever a pod template is, and so do the defaults of pods', () => {
  const { template } = deployment('web').spec as any
  const cron = {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'nightly' },
    spec: { jobTemplate: { spec: { template } } },
  }
  const rollout = { apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', metadata: { name: 'web' }, spec: { template } }
  const pod = { automountServiceAccountToken: false, containers: [{ image: reference }, { image: pinned }] }
  const { objects, digests } = rendered(cron, rollout)
  expect(objects[1]).toMatchObject({ spec: { jobTemplate: { spec: { template: { spec: pod } } } } })
  expect(objects[0]).toMatchObject({ spec: { template: { spec: pod } } })
  expect(digests).toEqual([reference])
})

test('an image that was resolved is given by its digest, and is none of those that the pipeline built', () => {
  const resolved = { 'redis:7': pinned, 'web:1.16.0': reference }
  const outcome = render([deployment('redis:7'), { ...deployment('web:1.16.0'), kind: 'StatefulSet' }], {
    ...context,
    resolved,
  })
  expect(outcome.ok && outcome.value.digests).toEqual([reference])
  expect(outcome.ok && JSON.stringify(outcome.value.objects)).not.toMatch(/redis:7|web:1/)
})

test('pods are given the credentials of the registries that their images come from, beside what they name themselves', () => {
  const source = deployment('web')
  const pod = (source.spec as any).template.spec
  pod.imagePullSecrets = [{ name: 'own' }]
  const secretsOf = (...hosts: string[]) => {
    const outcome = render([source], { ...context, references: { web: web443 }, pullHosts: new Set(hosts) })
    return outcome.ok && (outcome.value.objects[0] as any).spec.template.spec.imagePullSecrets
  }
  const web443 = `registry.example.com:443/shop/web@sha256:${'a'.repeat(64)}`
  expect(secretsOf('registry.example.com:443')).toEqual([{ name: 'own' }, { name: 'taxiway-pull' }])
  expect(secretsOf('docker.io', 'other.example.com')).toEqual([{ name: 'own' }, { name: 'taxiway-pull' }])
  expect(secretsOf('other.example.com')).toEqual([{ name: 'own' }])
})

test('an account that a release brings hands out no token', () => {
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'web' },
    automountServiceAccountToken: true,
  }
  expect(rendered(account).objects[0]).toMatchObject({ automountServiceAccountToken: false })
})

test('objects are marked as ours, and what the server writes is left out', () => {
  const [object] = rendered(deployment('web')).objects
  expect(object?.metadata).toEqual({
    name: 'web',
    namespace: 'shop-staging',
    labels: {
      app: 'web',
      'app.kubernetes.io/managed-by': 'taxiway',
      'taxiway.dev/repository': 'repo_1',
      'taxiway.dev/environment': 'staging',
    },
  })
  expect(object).not.toHaveProperty('status')
})

test('a pod template is made of its manifest and the digests alone: another run, place or generation changes none', () => {
  const source = deployment('web')
  const template = (source.spec as any).template
  template.metadata.labels['app.kubernetes.io/managed-by'] = 'team'
  const templateIn = (other: Partial<RenderContext>) => {
    const outcome = render([source], { ...context, ...other })
    return outcome.ok && (outcome.value.objects[0] as any).spec.template
  }
  expect(templateIn({}).metadata).toEqual({ labels: { app: 'web', 'app.kubernetes.io/managed-by': 'team' } })
  const others = {
    runId: 'run_2',
    sha: 'e'.repeat(40),
    generation: 8,
    environment: 'production',
    repositoryId: 'repo_2',
  }
  expect(templateIn(others)).toEqual(templateIn({}))
})

test('a manifest can not pass itself off as another environment', () => {
  const forged = { ...service, metadata: { name: 'web', labels: { 'taxiway.dev/environment': 'production' } } }
  expect(rendered(forged).objects[0]?.metadata.labels?.['taxiway.dev/environment']).toBe('staging')
})

test('services come before what runs behind them, and name their protocol', () => {
  const { objects } = rendered(deployment('web'), service)
  expect(objects.map(({ kind }) => kind)).toEqual(['Service', 'Deployment'])
  expect(objects[0]).toHaveProperty('spec.ports', [
    { port: 80, protocol: 'TCP' },
    { port: 53, protocol: 'UDP' },
  ])
})

test('what is given is not changed', () => {
  const source = deployment('web')
  const before = structuredClone(source)
  rendered(source)
  expect(source).toEqual(before)
})

test('what has not changed is the same in the release of another run', () => {
  const other = { ...context, runId: 'run_2', sha: 'b'.repeat(40), generation: context.generation + 1 }
  expect(render([deployment('web'), service], other)).toEqual(render([deployment('web'), service], context))
})

test('a pod is given what the restricted profile wants said, and keeps what it says itself', () => {
  const object = deployment('web')
  const spec = (object.spec as any).template.spec
  spec.securityContext = { runAsUser: 1000 }
  spec.containers[1].securityContext = { readOnlyRootFilesystem: true }
  const [first] = rendered(object).objects
  expect((first as any).spec.template.spec).toMatchObject({
    automountServiceAccountToken: false,
    securityContext: { runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    initContainers: [{ securityContext: { allowPrivilegeEscalation: false } }],
    containers: [
      { securityContext: { allowPrivilegeEscalation: false } },
      { securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true } },
    ],
  })
})
