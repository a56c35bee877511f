import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureNamespace } from '@taxiway/kubernetes/namespace.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { beforeEach, expect, test } from 'vitest'
import { checkPolicy } from '../../../services/deployer/policy/policy.ts'
import { successOf } from '../../contracts/target.ts'
import { clusterScene, versionsOf, wait } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const scene = clusterScene()
type Level = 'baseline' | 'restricted'
const places = { baseline: scene.open('pods-baseline'), restricted: scene.open('pods-restricted') }
const rulesOf = (level: Level) => (level === 'restricted' ? { pods: level } : {})
const modest = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

beforeEach(async ({ skip }) => {
  const { minor } = await versionsOf(scene.cluster)
  skip(minor < 25, `Kubernetes 1.${minor} has no Pod Security admission, which came with 1.25`)
})

/** What the policy says of a Deployment with this pod, and what the cluster says of the pod itself, to the byte the same. */
async function judge(level: Level, template: string) {
  const { namespace, repositoryId, environment } = places[level]
  const release = { namespace, repositoryId, environment, runId: 'run_1', ...rulesOf(level) }
  successOf(await ensureNamespace(scene.cluster, release, wait()))
  const account = `/api/v1/namespaces/${namespace}/serviceaccounts/default`
  const isThere = async () =>
    expect(successOf(await scene.cluster.call({ method: 'GET', path: account }, wait())).status).toBe(200)
  await eventually(isThere, 20_000)
  const metadata = { name: 'web' }
  const spec = { selector: {}, template: JSON.parse(template) }
  const policy = checkPolicy([{ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec }], namespace, rulesOf(level))
  const path = `/api/v1/namespaces/${namespace}/pods`
  const body = { apiVersion: 'v1', kind: 'Pod', metadata, ...JSON.parse(template) }
  const call = { method: 'POST', path, query: { dryRun: 'All' }, body, may403: true } as const
  const { status, body: said } = successOf(
    await scene.cluster.call<{ message?: string; reason?: string }>(call, wait()),
  )
  return { policy: policy.ok ? 'passed' : policy.reason.code, status, reason: said.reason, message: said.message }
}
const pod = (spec: object, container: object = {}, context: object = {}): string =>
  JSON.stringify({
    spec: {
      ...spec,
      containers: [{ name: 'web', image: 'web', ...container, securityContext: { ...modest, ...context } }],
    },
  })

test.each(['baseline', 'restricted'] as const)('what the policy lets through, the cluster takes: %s', async (level) => {
  expect(await judge(level, pod({}))).toMatchObject({ policy: 'passed', status: 201 })
})

test.each<[string, Level[], string, RegExp]>([
  ['the network of the node', ['baseline', 'restricted'], pod({ hostNetwork: true }), /hostNetwork/],
  ['the processes of the node', ['baseline', 'restricted'], pod({ hostPID: true }), /hostPID/],
  ['the memory of the node', ['baseline', 'restricted'], pod({ hostIPC: true }), /hostIPC/],
  [
    'a folder of the node',
    ['baseline', 'restricted'],
    pod({ volumes: [{ name: 'all', hostPath: { path: '/' } }] }),
    /hostPath/,
  ],
  [
    'a port of the node',
    ['baseline', 'restricted'],
    pod({}, { ports: [{ containerPort: 80, hostPort: 80 }] }),
    /hostPort/,
  ],
  [
    'all power',
    ['baseline', 'restricted'],
    pod({}, {}, { privileged: true, allowPrivilegeEscalation: true }),
    /privileged/,
  ],
  [
    'a capability',
    ['baseline', 'restricted'],
    pod({}, {}, { capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } }),
    /SYS_ADMIN/,
  ],
  [
    'no filter of system calls',
    ['baseline', 'restricted'],
    pod({}, {}, { seccompProfile: { type: 'Unconfined' } }),
    /seccompProfile/,
  ],
  [
    'a setting of the kernel',
    ['baseline', 'restricted'],
    pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] } }),
    /sysctl/,
  ],
  ['more privileges than it began with', ['restricted'], pod({}, {}, { allowPrivilegeEscalation: true }), /Escalation/],
  ['root', ['restricted'], pod({}, {}, { runAsUser: 0 }), /runAsUser=0/],
  ["its image's own user", ['restricted'], pod({}, {}, { runAsNonRoot: undefined }), /runAsNonRoot/],
  ['capabilities as they are', ['restricted'], pod({}, {}, { capabilities: {} }), /capabilities/],
])('a pod that asks for %s is refused by both', async (_what, levels, template, why) => {
  for (const level of levels) {
    const { policy, status, reason, message } = await judge(level, template)
    expect([level, policy, status, reason]).toEqual([level, 'manifest_forbidden', 403, 'Forbidden'])
    expect(message).toContain(`violates PodSecurity "${level}:latest"`)
    expect(message).toMatch(why)
  }
})

test('a release makes its namespace as the rules of its environment ask', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-pod-security-'))
  const name = `acme/modest-${process.pid}`
  const world = await makeWorld({ folder, environment: process.env, target: 'kubernetes', name, say: () => {} })
  const [closed, open] = [`${world.namespace}-closed`, `${world.namespace}-open`]
  const labels = async (namespace: string) => {
    const call = { method: 'GET', path: `/api/v1/namespaces/${namespace}` } as const
    return successOf(await scene.cluster.call<KubeObject>(call, wait())).body.metadata.labels
  }
  try {
    const rule = await world.taxiway.call('PUT', `/repos/${world.repository.id}/environments/closed`, {
      pods: 'restricted',
    })
    expect(rule.status).toBe(200)
    const { runId } = await world.push(
      {
        '.taxiway.yaml': `version: 1
images: { web: {} }
deploy:
  open: { namespace: ${open}, soak: 1s, components: { web: { image: web, port: 8080 } } }
  closed: { namespace: ${closed}, soak: 1s, components: { web: { image: web, port: 8080 } } }
`,
        Dockerfile:
          'FROM busybox:stable\nCOPY www /www\nUSER 1000\nCMD ["busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]\n',
      },
      'Run without root',
    )
    const run = await world.taxiway.waitRun(runId, isOver, 120_000)
    expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
    expect(await labels(open)).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'baseline' })
    expect(await labels(closed)).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' })
  } finally {
    await world.stop()
    for (const namespace of [closed, open])
      await scene.cluster.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }, wait())
    rmSync(folder, { recursive: true, force: true })
  }
})
