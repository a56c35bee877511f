import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { PlannedComponent } from '@taxiway/domain/plan/component.ts'
import { expect, test } from 'vitest'
import { checkPolicy } from '../../policy/policy.ts'
import { render } from '../render.ts'
import { componentObjects, leftOutOnMachine } from './component.ts'
import type { ComponentContext } from './component-pod.ts'

const web: PlannedComponent = {
  name: 'web',
  image: 'web',
  replicas: 2,
  env: {},
  secrets: [],
  cpu: '100m',
  memory: '128Mi',
  volumes: [],
  wave: 0,
}
const context: ComponentContext = {
  environment: 'staging',
  timeoutMs: 120_000,
  ground: { kind: 'kubernetes', minor: 20 },
  users: {},
  secretName: ({ name }) => `${name}-secret`,
}
const kindsOf = (objects: RenderedObject[]) => objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
const made = (component: Partial<PlannedComponent>, more: Partial<ComponentContext> = {}) =>
  componentObjects([{ ...web, ...component }], { ...context, ...more })
const one = (kind: string, component: Partial<PlannedComponent>, more: Partial<ComponentContext> = {}) =>
  made(component, more).find((object) => object.kind === kind)
const podOf = (component: Partial<PlannedComponent>, more: Partial<ComponentContext> = {}) =>
  ((one('Deployment', component, more) ?? one('StatefulSet', component, more)) as any).spec.template.spec

test('each thing that is asked for makes its object, and nothing else does', () => {
  expect(kindsOf(made({}))).toEqual(['Deployment/web', 'PodDisruptionBudget/web'])
  expect(kindsOf(made({ replicas: 1 }))).toEqual(['Deployment/web'])
  expect(kindsOf(made({ port: 8080, host: 'shop.example.com', autoscaling: { min: 2, max: 5, cpu: 80 } }))).toEqual([
    'Service/web',
    'Deployment/web',
    'Ingress/web',
    'HorizontalPodAutoscaler/web',
    'PodDisruptionBudget/web',
  ])
  expect(kindsOf(made({ port: 5432, replicas: 1, volumes: [{ path: '/data', size: '1Gi' }] }))).toEqual([
    'Service/web',
    'Service/web-pods',
    'StatefulSet/web',
  ])
})

test('what is made keeps the rules that manifests keep, and can be rendered', () => {
  const all = made({
    port: 80,
    host: 'shop.example.com',
    autoscaling: { min: 2, max: 5, cpu: 80 },
    volumes: [{ path: '/data', size: '1Gi' }],
    secrets: ['TOKEN'],
    health: { path: '/healthz' },
  })
  expect(checkPolicy(all, 'shop')).toMatchObject({ ok: true })
  const rendered = render(all, {
    repositoryId: 'repo_1',
    repositoryName: 'acme/shop',
    environment: 'staging',
    namespace: 'shop',
    runId: 'run_1',
    sha: 'a'.repeat(40),
    generation: 1,
    references: { web: `registry/web@sha256:${'a'.repeat(64)}` },
  })
  expect(rendered).toMatchObject({ ok: true })
})

test.each([
  [20, 'autoscaling/v2beta2', 'policy/v1beta1', { exec: { command: ['sleep', '5'] } }],
  [22, 'autoscaling/v2beta2', 'policy/v1', { exec: { command: ['sleep', '5'] } }],
  [23, 'autoscaling/v2', 'policy/v1', { exec: { command: ['sleep', '5'] } }],
  [30, 'autoscaling/v2', 'policy/v1', { sleep: { seconds: 5 } }],
])('a cluster of 1.%i gets what it knows', (minor, autoscaling, policy, preStop) => {
  const component = { port: 80, autoscaling: { min: 2, max: 5, cpu: 80 } }
  const more = { ground: { kind: 'kubernetes', minor } as const }
  expect(one('HorizontalPodAutoscaler', component, more)?.apiVersion).toBe(autoscaling)
  expect(one('PodDisruptionBudget', component, more)?.apiVersion).toBe(policy)
  expect(podOf(component, more).containers[0].lifecycle).toEqual({ preStop })
})

test('a container may do nothing that it was not given', () => {
  const [container] = podOf({ port: 8080 }).containers
  expect(container.securityContext).toEqual({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } })
  expect(container.resources).toEqual({ requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '128Mi' } })
  expect(podOf({ port: 80 }).containers[0].securityContext.capabilities.add).toEqual(['NET_BIND_SERVICE'])
})

test.each([
  ['1000', { runAsNonRoot: true }],
  ['1000:2000', { runAsNonRoot: true }],
  ['', {}],
  ['0', {}],
  ['root', {}],
  ['node', {}],
  [undefined, {}],
])('an image of user %s', (user, more) => {
  const { securityContext } = podOf({}, { users: { web: user } })
  expect(securityContext).toEqual({ ...more, seccompProfile: { type: 'RuntimeDefault' } })
})

test('a volume belongs to the group of who writes it', () => {
  const component = { volumes: [{ path: '/data', size: '1Gi' }] }
  expect(podOf(component, { users: { web: '1000:2000' } }).securityContext.fsGroup).toBe(2000)
  expect(podOf(component, { users: { web: '1000' } }).securityContext.fsGroup).toBe(1000)
  expect(podOf(component).securityContext.fsGroup).toBeUndefined()
  expect(podOf(component).containers[0].volumeMounts).toEqual([{ name: 'data-0', mountPath: '/data' }])
})

test('health is asked as it was said, else by the port, else not at all', () => {
  const probeOf = (component: Partial<PlannedComponent>) => podOf(component).containers[0]
  expect(probeOf({ port: 80, health: { path: '/up' } }).readinessProbe.httpGet).toEqual({ path: '/up', port: 'main' })
  expect(probeOf({ health: { command: 'test -e up' } }).livenessProbe.exec.command).toEqual(['sh', '-c', 'test -e up'])
  expect(probeOf({ port: 80 }).startupProbe).toMatchObject({ tcpSocket: { port: 'main' }, failureThreshold: 120 })
  expect(probeOf({})).not.toHaveProperty('readinessProbe')
})

test('texts mean themselves, and secrets are named, not told', () => {
  const [container] = podOf({
    env: { PRICE: '$(COST) $5 $$' },
    command: ['serve', '$(COST)'],
    secrets: ['TOKEN'],
  }).containers
  expect(container.env).toEqual([
    { name: 'PRICE', value: '$$(COST) $$5 $$$$' },
    { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'web-secret', key: 'TOKEN' } } },
  ])
  expect(container.args).toEqual(['serve', '$$(COST)'])
})

test('who scales owns the number of replicas', () => {
  const component = { autoscaling: { min: 3, max: 5, cpu: 80 } }
  expect(one('Deployment', component)?.spec).not.toHaveProperty('replicas')
  expect(one('Deployment', {})?.spec).toHaveProperty('replicas', 2)
  expect(one('Deployment', component, { ground: { kind: 'docker' } })?.spec).toHaveProperty('replicas', 3)
})

test('one machine gets what it can carry, and is told what it can not', () => {
  const component = { port: 80, host: 'shop.example.com', autoscaling: { min: 2, max: 5, cpu: 80 } }
  expect(kindsOf(made(component, { ground: { kind: 'docker' } }))).toEqual(['Service/web', 'Deployment/web'])
  const [container] = podOf(component, { ground: { kind: 'docker' } }).containers
  expect(Object.keys(container)).not.toContain('lifecycle')
  expect(leftOutOnMachine([{ ...web, ...component }])).toEqual([
    'web: host shop.example.com is left out, one machine has no Ingress',
    'web: 2 containers run, one machine has no autoscaling',
  ])
})

test('a wave stands on all objects of its component', () => {
  const objects = made({ port: 80, wave: 2 })
  expect(objects.map(({ metadata }) => metadata.annotations?.['taxiway.dev/wave'])).toEqual(['2', '2', '2'])
})
