import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rbacText } from '@taxiway/domain/cluster/rbac.ts'
import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { type KubeObject, pathOf } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { checkPolicy } from '../../../services/deployer/policy/policy.ts'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { deployment, makeWork, service, successOf } from '../../contracts/target.ts'
import { type Account, makeAccount } from '../../world/account.ts'
import { clusterScene, configMap, failureOf, versionsOf, wait, webPath } from '../../world/cluster-scene.ts'
import { serving } from '../../world/images.ts'

const scene = clusterScene()
const place = scene.open('rights')
const few = scene.open('rights-few')
let account: Account
let narrow: Account
let deployer: Cluster
let target: Target
beforeAll(async () => {
  account = await makeAccount(`taxiway-rights-${process.pid}`, [place.namespace])
  narrow = await makeAccount(`taxiway-rights-few-${process.pid}`, [few.namespace], ['--kinds', 'Deployment,Service'])
  deployer = connectCluster({ kubeconfig: account.kubeconfig })
  target = makeKubernetesTarget({ kubeconfig: account.kubeconfig })
})
afterAll(() => {
  deployer?.close()
  account?.remove()
  narrow?.remove()
})
const roll = async (on: Target, order: ReleaseOrder) => {
  successOf(await on.dryRun(order, makeWork()))
  successOf(await on.apply(order, makeWork()))
  return successOf(await on.watch(order, makeWork()))
}
const object = (kind: string, apiVersion: string, spec: object, name = 'web'): RenderedObject => ({
  apiVersion,
  kind,
  metadata: { name },
  spec,
})
const pod = { restartPolicy: 'Never', containers: [{ name: 'm', image: 'web', command: ['true'] }] }
const selector = { matchLabels: { app: 'more' } }
const template = { metadata: { labels: { app: 'more' } }, spec: { containers: [{ name: 'm', image: 'web' }] } }

test('the manifest that is delivered is what the command prints', () => {
  const account = { name: 'taxiway-deployer', namespace: 'taxiway' }
  const file = join(import.meta.dirname, '../../../deploy/kubernetes/deployer-rbac.yaml')
  expect(readFileSync(file, 'utf8')).toBe(rbacText({ namespaces: ['shop'], account }))
})

test('a cluster takes all that is delivered, without a field that it does not know', async () => {
  const file = join(import.meta.dirname, '../../../deploy/kubernetes/taxiway.yaml')
  const { minor } = await versionsOf(scene.cluster)
  // Older ones check no fields.
  const query = { dryRun: 'All', ...(minor < 25 ? {} : { fieldValidation: 'Strict' }) }
  for (const one of parseAllDocuments(readFileSync(file, 'utf8'))) {
    const body = one.toJS() as KubeObject
    body.metadata.namespace = place.namespace
    const path =
      body.kind === 'NetworkPolicy'
        ? `/apis/${body.apiVersion}/namespaces/${place.namespace}/networkpolicies`
        : pathOf(place.namespace, body)
    const answer = successOf(await scene.cluster.call({ method: 'POST', path, query, body }, wait()))
    expect([body.kind, body.metadata.name, answer.status === 201 ? 201 : answer.body]).toEqual([
      body.kind,
      body.metadata.name,
      201,
    ])
  }
})

test('every object that is printed stays in a namespace, and gives nothing that the deployer does not call', () => {
  const objects = parseAllDocuments(account.rbac).map((document) => document.toJS())
  expect(objects.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'Role', 'RoleBinding'])
  const rules = objects[1].rules as { resources: string[]; verbs: string[] }[]
  expect(rules.flatMap(({ resources }) => resources)).not.toContain('secrets')
  expect(JSON.stringify(rules)).not.toMatch(/"\*"|escalate|bind|impersonate|exec|deletecollection/)
})

test('with these rights all kinds are rolled out, changed, pruned, explained and put back', async () => {
  const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } }
  const batch = (await versionsOf(scene.cluster)).minor < 21 ? 'batch/v1beta1' : 'batch/v1'
  const all = [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'web' } },
    object('PersistentVolumeClaim', 'v1', claim),
    object('NetworkPolicy', 'networking.k8s.io/v1', { podSelector: {}, ingress: [{}], egress: [{}] }),
    object('CronJob', batch, { schedule: '0 3 * * *', jobTemplate: { spec: { template: { spec: pod } } } }),
    configMap('web', { a: '1' }),
    service(),
    object('Job', 'batch/v1', { template: { spec: pod } }),
    object('StatefulSet', 'apps/v1', { serviceName: 'web', selector, template }, 'more'),
    object('DaemonSet', 'apps/v1', { selector, template }, 'more'),
    object('Ingress', 'networking.k8s.io/v1', {
      rules: [
        {
          host: `rights-${process.pid}.example.com`,
          http: {
            paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }],
          },
        },
      ],
    }),
    object('HorizontalPodAutoscaler', 'autoscaling/v1', {
      maxReplicas: 1,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    }),
    object('PodDisruptionBudget', (await versionsOf(scene.cluster)).disruption, { minAvailable: 1, selector }),
    deployment(),
  ]
  expect(await roll(target, place.order(scene.good, all))).toMatchObject({ healthy: true })
  const next = await scene.images.publish('rights', serving('rights'))
  const good = place.order(next, [configMap('web', { a: '2' }), deployment(), service()])
  expect(await roll(target, good)).toMatchObject({ healthy: true })
  const work = makeWork()
  successOf(await target.prune(good, work, 'all'))
  expect(work.lines).toEqual(
    expect.arrayContaining(['StatefulSet/more removed', 'Ingress/web removed', 'CronJob/web removed']),
  )

  const bad = place.order(await scene.images.publish('rights-crash', 'echo PORT missing; exit 3'))
  const verdict = await roll(target, bad)
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: .*exit 3.*: PORT missing$/)
  const unpulled = place.order(scene.images.missing('rights'))
  const unseen = await roll(target, unpulled)
  // From an event.
  expect(!unseen.healthy && unseen.detail).toMatch(/^web: image can't be pulled: .*(not found|unknown)/)
  const restoring = { failed: unpulled, previous: good, generation: place.nextGeneration() }
  expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect((await scene.read(place, webPath))?.metadata.annotations).toMatchObject({ 'taxiway.dev/run': good.runId })
})

test('with the rights for some kinds these are rolled out, and others refused by the cluster', async () => {
  const on = makeKubernetesTarget({ kubeconfig: narrow.kubeconfig })
  expect(await roll(on, few.order(scene.good))).toMatchObject({ healthy: true })
  const job = few.order(scene.good, [deployment(), object('Job', 'batch/v1', { template: { spec: pod } })])
  const refused = await on.dryRun(job, makeWork())
  expect(refused.ok ? '' : refused.reason).toMatchObject({ code: 'cluster_forbidden' })
  expect(refused.ok ? '' : refused.reason.message).toContain('jobs')
})

const rbacGroup = 'rbac.authorization.k8s.io/v1'
const admin = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }
const roleRef = { roleRef: admin, subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }] }
const simple = (kind: string, apiVersion: string, more: object = {}, metadata: object = {}) => ({
  apiVersion,
  kind,
  metadata: { name: 'taken-over', ...metadata },
  ...more,
})
const hooks = (kind: string) => simple(kind, 'admissionregistration.k8s.io/v1', { webhooks: [] })

test.each<[string, object]>([
  ['a ClusterRoleBinding', simple('ClusterRoleBinding', rbacGroup, roleRef)],
  ['a ClusterRole', simple('ClusterRole', rbacGroup, { rules: [] })],
  ['a RoleBinding', simple('RoleBinding', rbacGroup, roleRef)],
  ['a Role', simple('Role', rbacGroup, { rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }] })],
  ['an object in another namespace', simple('ConfigMap', 'v1', { data: {} }, { namespace: 'kube-system' })],
  ['a workload in another namespace', { ...deployment(), metadata: { name: 'web', namespace: 'default' } }],
  ['a Namespace', simple('Namespace', 'v1')],
  ['a Secret', simple('Secret', 'v1', { stringData: { a: 'b' } })],
  ['a Pod', simple('Pod', 'v1', { spec: { containers: [{ name: 'x', image: 'x' }] } })],
  ['a PersistentVolume', simple('PersistentVolume', 'v1', { spec: { hostPath: { path: '/' } } })],
  ['a webhook that changes objects', hooks('MutatingWebhookConfiguration')],
  ['a webhook that judges objects', hooks('ValidatingWebhookConfiguration')],
  [
    'a custom kind',
    simple('CustomResourceDefinition', 'apiextensions.k8s.io/v1', { spec: {} }, { name: 'wings.example.com' }),
  ],
])('%s is forbidden by our policy, and the same bytes by the cluster when kubectl sends them', (_what, manifest) => {
  const outcome = checkPolicy([manifest], place.namespace)
  expect(outcome.ok ? 'allowed' : outcome.reason.code).toBe('manifest_forbidden')
  const args = ['create', '--validate=false', '-f', '-']
  const inside = (manifest as RenderedObject).metadata.namespace ? [] : ['--namespace', place.namespace]
  const sent = account.kubectl([...args, ...inside], JSON.stringify(manifest))
  expect(sent.said).toMatch(/\(Forbidden\)|is forbidden/)
  expect(sent.code).not.toBe(0)
})

test('with the rights of the manifest a release takes over by a canary, and by blue-green', async () => {
  const reference = await scene.images.publish('rights', serving('rights'))
  // Whatever the tests before have left.
  expect(await roll(target, place.order(reference))).toMatchObject({ healthy: true })
  const rest = { analysis: [{ kind: 'http' as const, path: '/', success: 100 }], timeoutMs: 60_000 }
  const job = { kind: 'job' as const, image: reference, run: ['true'], env: {}, timeoutMs: 30_000 }
  for (const strategy of [
    { kind: 'canary' as const, steps: [{ weight: 50, pauseMs: 1_000 }], ...rest, analysis: [...rest.analysis, job] },
    { kind: 'blue_green' as const, pauseMs: 1_000, ...rest },
  ]) {
    const order = { ...place.order(reference), strategy }
    successOf(await target.dryRun(order, makeWork()))
    expect(successOf(await target.advance(order, makeWork(60_000)))).toMatchObject({ healthy: true })
    successOf(await target.apply(order, makeWork()))
    expect(successOf(await target.watch(order, makeWork(60_000)))).toMatchObject({ healthy: true })
    successOf(await target.prune(order, makeWork(), 'all'))
  }
})

test('what the account may not do is told: which account, what, and where', async () => {
  const elsewhere = scene.open('rights-elsewhere')
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: elsewhere.namespace } }
  successOf(await scene.cluster.call({ method: 'POST', path: '/api/v1/namespaces', body: namespace }, wait()))
  const order = elsewhere.order(await scene.images.publish('rights', serving('rights')))
  const reason = failureOf(await target.dryRun(order, makeWork()))
  expect(reason).toEqual({
    code: 'cluster_forbidden',
    message: `The cluster refused: account system:serviceaccount:taxiway-rights-${process.pid}:taxiway-deployer may not get configmaps in namespace ${elsewhere.namespace}.`,
  })
})

test.each([
  ['list secrets', ['get', 'secrets']],
  ['read a secret', ['get', 'secret', 'default-token']],
  ['run programs in pods', ['exec', 'deploy/web', '--', 'id']],
  ['attach to pods', ['attach', 'deploy/web']],
  ['change its own role', ['patch', 'role', 'taxiway-deployer', '--type=json', '-p', '[]']],
  [
    'bind itself to more',
    ['create', 'rolebinding', 'x', '--clusterrole=cluster-admin', '--serviceaccount=default:default'],
  ],
  ['look into other namespaces', ['get', 'configmaps', '--namespace', 'kube-system']],
  ['list nodes', ['get', 'nodes']],
  ['act for others', ['get', 'pods', '--as', 'system:admin']],
])('nobody may %s with this account', (_what, args) => {
  const namespace = args.includes('--namespace') ? [] : ['--namespace', place.namespace]
  // Options stand before the command that exec runs.
  const ran = account.kubectl([args[0] as string, ...namespace, ...args.slice(1)])
  expect(ran.said).toMatch(/\(Forbidden\)|is forbidden/)
  expect(ran.code).not.toBe(0)
})

test('what access rules can not refuse, the policy alone does: a pod with the disk of its node', () => {
  const spec = { volumes: [{ name: 'node', hostPath: { path: '/' } }], containers: [{ name: 'x', image: 'x' }] }
  const taking = { ...deployment({}, {}, spec), metadata: { name: 'taking', namespace: place.namespace } }
  const outcome = checkPolicy([taking], place.namespace)
  expect(outcome.ok ? '' : outcome.reason.message).toMatch(/^Deployment\/taking \(volume type hostPath not allowed\)/)
  const sent = account.kubectl(['create', '--dry-run=server', '-f', '-'], JSON.stringify(taking))
  expect([sent.code, sent.said]).toEqual([0, expect.stringContaining('created')])
})

test('a token of the account can not be made by it', async () => {
  const path = `/api/v1/namespaces/taxiway-rights-${process.pid}/serviceaccounts/taxiway-deployer/token`
  const call = { method: 'POST', path, body: {}, may403: true } as const
  expect(successOf(await deployer.call(call, wait())).status).toBe(403)
})

test('in a cluster the account of the pod is enough', () => {
  const { clusters, users } = parse(readFileSync(account.kubeconfig, 'utf8'))
  const server = new URL(clusters[0].cluster.server)
  const script = `
    import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
    import { lookOver } from '@taxiway/kubernetes/cluster/check.ts'
    const access = { inCluster: true }
    const wait = { untilMs: performance.now() + 10_000, signal: new AbortController().signal, say() {} }
    const found = await lookOver(connectCluster({ access }), { access, namespace: '${place.namespace}' }, wait)
    process.stdout.write(JSON.stringify(found), () => process.exit(0))`
  // Where a pod finds its account, seen by this one process only.
  const folder = '/run/secrets/kubernetes.io/serviceaccount'
  const lay = `mount -t tmpfs none /run && mkdir -p ${folder} && printf %s "$TOKEN" > ${folder}/token && echo "$CA" | base64 -d > ${folder}/ca.crt`
  const run = `exec "$NODE" --input-type=module -e "$SCRIPT"`
  const ran = spawnSync('unshare', ['--mount', 'sh', '-c', `${lay} && ${run}`], {
    cwd: join(import.meta.dirname, '../../../services/deployer'),
    encoding: 'utf8',
    env: {
      ...process.env,
      NODE: process.execPath,
      SCRIPT: script,
      TOKEN: users[0].user.token,
      CA: clusters[0].cluster['certificate-authority-data'],
      KUBERNETES_SERVICE_HOST: server.hostname,
      KUBERNETES_SERVICE_PORT: server.port,
    },
  })
  expect(ran.stderr).toBe('')
  expect(JSON.parse(ran.stdout)).toMatchObject({
    usable: true,
    user: `system:serviceaccount:taxiway-rights-${process.pid}:taxiway-deployer`,
    lacks: [],
    warnings: [],
  })
})
