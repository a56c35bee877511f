import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkPolicy } from './policy.ts'

type Json = Record<string, any>
const kinds = ['Deployment', 'StatefulSet', 'DaemonSet'].map((kind) => [kind, 'apps/v1']).concat([['Job', 'batch/v1']])

/** Fields that take more, each with values that a cluster would honour. */
const podFields: [string, fc.Arbitrary<unknown>][] = [
  ['hostNetwork', fc.constant(true)],
  ['hostPID', fc.constant(true)],
  ['hostIPC', fc.constant(true)],
  ['hostUsers', fc.constant(true)],
  ['nodeName', fc.constantFrom('node', 'master')],
  ['ephemeralContainers', fc.constant([{ name: 'x', image: 'web' }])],
  ['serviceAccountName', fc.constantFrom('admin', 'kube-system', 'taxiway-deployer')],
  ['serviceAccount', fc.constantFrom('admin', 'cluster-admin')],
  ['automountServiceAccountToken', fc.constant(true)],
  ['priorityClassName', fc.constantFrom('system-node-critical', 'system-cluster-critical')],
  ['runtimeClassName', fc.constant('unsafe')],
]
const volumes: Json[] = [
  { hostPath: { path: '/' } },
  { nfs: { server: 'a', path: '/' } },
  { csi: { driver: 'x' } },
  { flexVolume: { driver: 'x' } },
  { iscsi: {} },
  { secret: { secretName: 'default-token-x4k2b' } },
  { projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
  { projected: { sources: [{ configMap: { name: 'a' } }, { serviceAccountToken: { path: 't' } }] } },
  { projected: { sources: [{ clusterTrustBundle: { path: 't' } }] } },
]
const contexts: Json[] = [
  { privileged: true },
  { allowPrivilegeEscalation: true },
  { capabilities: { add: ['SYS_ADMIN'] } },
  { capabilities: { add: ['NET_BIND_SERVICE', 'NET_ADMIN'] } },
  { capabilities: { drop: ['ALL'], add: ['ALL'] } },
  { procMount: 'Unmasked' },
  { runAsUser: 0 },
  { runAsNonRoot: false },
  { seLinuxOptions: { type: 'spc_t' } },
  { seccompProfile: { type: 'Unconfined' } },
  { windowsOptions: { hostProcess: true } },
  { windowsOptions: { gmsaCredentialSpec: '{}' } },
]
const containers: Json[] = [
  { ports: [{ containerPort: 1 }, { containerPort: 80, hostPort: 80 }] },
  { ports: [{ containerPort: 80, hostIP: '0.0.0.0' }] },
  { volumeDevices: [{ name: 'x', devicePath: '/dev/sda' }] },
  { volumeMounts: [{ name: 'x', mountPath: '/x', mountPropagation: 'Bidirectional' }] },
  { readinessProbe: { httpGet: { host: '169.254.169.254', port: 80 } } },
  { lifecycle: { preStop: { tcpSocket: { host: '10.0.0.1', port: 22 } } } },
  { envFrom: [{ configMapRef: { name: 'a' } }, { secretRef: { name: 'default-token-x4k2b' } }] },
  { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'bootstrap-token-abcdef', key: 'x' } } }] },
  { image: `evil.example.com/x@sha256:${'a'.repeat(64)}` },
]
const metadata: Json[] = [
  { finalizers: ['a/b'] },
  { ownerReferences: [{ kind: 'Node', name: 'x' }] },
  { generateName: 'x-' },
  { namespace: 'kube-system' },
]

/** Puts one forbidden thing somewhere into the pod template. */
const mutation: fc.Arbitrary<(template: Json) => void> = fc.oneof(
  fc.constantFrom(...podFields).chain(([field, values]) =>
    values.map((value) => (template: Json) => {
      template.spec[field] = value
    }),
  ),
  fc.tuple(fc.constantFrom(...volumes), fc.nat()).map(([volume, at]) => (template: Json) => {
    template.spec.volumes.splice(at % (template.spec.volumes.length + 1), 0, { name: 'v', ...volume })
  }),
  fc
    .tuple(
      fc.constantFrom(...containers, ...contexts.map((securityContext) => ({ securityContext }))),
      fc.nat(),
      fc.boolean(),
    )
    .map(([change, at, isInit]) => (template: Json) => {
      const list = template.spec[isInit ? 'initContainers' : 'containers']
      list.splice(at % (list.length + 1), 0, { name: 'more', image: 'web', ...change })
    }),
  fc
    .constantFrom(...contexts.filter((context) => !context.capabilities && !context.procMount), {
      sysctls: [{ name: 'a' }],
    })
    .map((context) => (template: Json) => Object.assign(template.spec.securityContext, context)),
  fc.constantFrom(...metadata).map((change) => (template: Json) => Object.assign(template.metadata, change)),
)

/** An ordinary workload of any size, with things around that are allowed. */
const workload = fc
  .record({
    kind: fc.constantFrom(...kinds),
    containers: fc.integer({ min: 1, max: 4 }),
    inits: fc.integer({ min: 0, max: 2 }),
    volumes: fc.integer({ min: 0, max: 3 }),
    labels: fc.dictionary(fc.constantFrom('app', 'tier', 'hostPath'), fc.constantFrom('a', 'privileged')),
    grace: fc.nat(100),
  })
  .map(({ kind: [kind, apiVersion], containers: count, inits, volumes: mounts, labels, grace }): Json => {
    const container = (_: unknown, index: number) => ({
      name: `c${index}`,
      image: 'web',
      env: [{ name: 'hostNetwork', value: 'true' }],
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    })
    const template = {
      metadata: { labels },
      spec: {
        terminationGracePeriodSeconds: grace,
        securityContext: { runAsUser: 1000 },
        volumes: Array.from({ length: mounts }, (_, index) => ({ name: `v${index}`, configMap: { name: 'a' } })),
        initContainers: Array.from({ length: inits }, container),
        containers: Array.from({ length: count }, container),
      },
    }
    return { apiVersion, kind, metadata: { name: 'web', labels }, spec: { template } }
  })

const nest = (document: unknown, depth: number): unknown =>
  depth === 0 ? document : nest({ apiVersion: 'v1', kind: 'List', items: [document] }, depth - 1)

test('an ordinary workload passes, and none that one forbidden thing was put into, wherever it stands', () => {
  fc.assert(
    fc.property(workload, mutation, fc.nat(3), (manifest, mutate, depth) => {
      expect(checkPolicy([nest(manifest, depth)], 'shop')).toMatchObject({ ok: true })
      mutate(manifest.spec.template)
      const outcome = checkPolicy([nest(manifest, depth)], 'shop')
      expect(outcome.ok ? outcome.value : outcome.reason.code).toBe('manifest_forbidden')
      expect(outcome.ok || outcome.reason.message).toMatch(
        new RegExp(`^${manifest.kind}/web \\(.+\\) is forbidden here`),
      )
    }),
    { numRuns: 2000 },
  )
})

/** What no pod that passed may hold, wherever a field of this name stands. Written without a look at the policy. */
const never: Record<string, (value: unknown) => boolean> = {
  hostNetwork: Boolean,
  hostPID: Boolean,
  hostIPC: Boolean,
  hostPath: (value) => value !== undefined && value !== null && value !== false,
  nodeName: Boolean,
  privileged: Boolean,
  allowPrivilegeEscalation: Boolean,
  hostPort: Boolean,
  serviceAccountToken: (value) => value !== undefined && value !== null && value !== false,
  serviceAccountName: (value) => Boolean(value) && value !== 'default',
  automountServiceAccountToken: Boolean,
  sysctls: (value) => Array.isArray(value) && value.length > 0,
  hostProcess: Boolean,
  procMount: (value) => Boolean(value) && value !== 'Default',
  ephemeralContainers: (value) => Array.isArray(value) && value.length > 0,
}
const found = (value: unknown): string[] =>
  typeof value !== 'object' || value === null
    ? []
    : Object.entries(value).flatMap(([key, inner]) => [
        ...(Object.hasOwn(never, key) && never[key]?.(inner) ? [key] : []),
        ...found(inner),
      ])

test('whatever shape of JSON stands in the pod, what passes holds nothing forbidden', () => {
  const key = fc.constantFrom(
    ...Object.keys(never),
    ...'containers initContainers volumes securityContext projected sources secret ports name image lifecycle template spec'.split(
      ' ',
    ),
  )
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom<unknown>(true, false, null, 0, 1, '', 'true', 'default', 'admin', 'Default'),
      fc.array(tie('json'), { maxLength: 3 }),
      fc.dictionary(key, tie('json'), { maxKeys: 4 }),
    ),
  }))
  let passed = 0
  fc.assert(
    fc.property(fc.constantFrom(...kinds), json, ([kind, apiVersion], pod) => {
      const outcome = checkPolicy(
        [{ apiVersion, kind, metadata: { name: 'x' }, spec: { template: { spec: pod } } }],
        'shop',
      )
      if (!outcome.ok) return
      passed++
      expect(found(pod)).toEqual([])
    }),
    { numRuns: 5000 },
  )
  expect(passed).toBeGreaterThan(100)
})
