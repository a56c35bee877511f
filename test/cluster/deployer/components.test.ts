import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { isReady } from '@taxiway/kubernetes/health/pod.ts'
import type { KubeObject, Pod } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'
import { successOf } from '../../contracts/target.ts'
import { kubeconfig, versionsOf, wait } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const secret = 'n0t-for-$(HOME)-eyes'
const later = 'an0ther-$5-secret'
const pipeline = (namespace: string) => `version: 1
images:
  web: { paths: [Dockerfile] }
  quiet: { dockerfile: quiet.Dockerfile, paths: [quiet.Dockerfile] }
deploy:
  production:
    namespace: ${namespace}
    timeout: 60s
    restarts: 2
    components:
      web:
        image: web
        port: 8080
        env: { PRICE: '$(COST) is $5' }
        secrets: [TOKEN]
        health: { path: /healthz }
        host: ${namespace}.example.com
        autoscaling: { min: 2, max: 3 }
`
const store = `      store:
        image: quiet
        command: [sh, -c, 'touch /data/here; trap exit TERM; sleep 1000 & wait']
        volumes: [{ path: /data, size: 1Mi }]
        health: { command: test -e /data/here }
`
/** Tells its variables at /, as pods have no other way to show them. */
const dockerfile = `FROM busybox:stable
CMD mkdir -p /tmp/www && touch /tmp/www/healthz && printf '%s|%s' "$PRICE" "$TOKEN" > /tmp/www/index.html \
 && exec busybox httpd -f -p 8080 -h /tmp/www
USER 1000
`
let world: Awaited<ReturnType<typeof makeWorld>>
let redis: Awaited<ReturnType<typeof startRedis>>
let cluster: Cluster
let folder: string
const volume = `taxiway-components-${process.pid}`

const api = async <Body = KubeObject>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown) =>
  successOf(await cluster.call<Body>({ method, path, ...(body ? { body } : {}) }, wait()))
const inNamespace = (rest: string) => rest.replace('*', `namespaces/${world.namespace}`)
const get = async (path: string) => (await api('GET', inNamespace(path))).body
const list = async <Item = KubeObject>(path: string) =>
  (await api<{ items: Item[] }>('GET', inNamespace(path))).body.items
const podsOf = async (name: string) =>
  (await list<Pod>(`/api/v1/*/pods`)).filter(
    ({ metadata }) => metadata.labels?.['app.kubernetes.io/name'] === name && !metadata.deletionTimestamp,
  )
const addressOf = (pod: Pod | undefined) => (pod?.status as { podIP?: string } | undefined)?.podIP
const setSecret = (name: string, value: string) =>
  world.taxiway.call('PUT', `/repos/${world.repository.id}/secrets/${name}`, { value })
const answers = async () => {
  const pods = (await podsOf('web')).filter(isReady)
  return Promise.all(pods.map(async (pod) => (await fetch(`http://${addressOf(pod)}:8080/`)).text()))
}
async function push(files: Record<string, string>, message: string) {
  const { runId } = await world.push(files, message)
  return world.taxiway.waitRun(runId, isOver, 120_000)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-components-'))
  redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  const { DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
  world = await makeWorld({
    folder: join(folder, 'world'),
    environment: { REDIS_URL: redis.address, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
    target: 'kubernetes',
    name: `acme/components-${process.pid}`,
    say: () => {},
  })
  cluster = connectCluster(kubeconfig())
  await api('POST', '/api/v1/persistentvolumes', {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volume },
    spec: {
      capacity: { storage: '1Mi' },
      accessModes: ['ReadWriteOnce'],
      claimRef: { namespace: world.namespace, name: 'data-0-store-0' },
      hostPath: { path: join(folder, 'volume'), type: 'DirectoryOrCreate' },
    },
  })
})
afterAll(async () => {
  await world?.stop()
  await api('DELETE', `/api/v1/persistentvolumes/${volume}`)
  cluster?.close()
  await redis?.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('components become live as a cluster of this version has them', async () => {
  await setSecret('TOKEN', secret)
  const quiet = 'FROM busybox:stable\nCMD ["false"]\n'
  const run = await push(
    { '.taxiway.yaml': pipeline(world.namespace) + store, Dockerfile: dockerfile, 'quiet.Dockerfile': quiet },
    'Say what it is given',
  )
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  await eventually(async () => expect(await answers()).toEqual(Array(2).fill(`$(COST) is $5|${secret}`)), 60_000)
  const [pod] = await podsOf('web')
  expect(pod?.spec).toMatchObject({
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    automountServiceAccountToken: false,
  })
  expect((await get('/apis/networking.k8s.io/v1/*/ingresses/web')).spec).toMatchObject({
    rules: [{ host: `${world.namespace}.example.com` }],
  })
  const { autoscaling, disruption } = await versionsOf(cluster)
  expect((await get(`/apis/${autoscaling}/*/horizontalpodautoscalers/web`)).spec).toMatchObject({ minReplicas: 2 })
  expect(await list(`/apis/${disruption}/*/poddisruptionbudgets`)).toHaveLength(1)
  expect((await podsOf('store')).map(isReady)).toEqual([true])
})

test('a secret is in the container and in its Secret, and nowhere else', async () => {
  const secrets = (await list('/api/v1/*/secrets')).filter(({ type }) => type === 'Opaque')
  expect(secrets).toHaveLength(1)
  expect(secrets[0]).toMatchObject({ immutable: true, data: { TOKEN: Buffer.from(secret).toString('base64') } })
  const places = [
    '/apis/apps/v1/*/deployments',
    '/apis/apps/v1/*/replicasets',
    '/api/v1/*/configmaps',
    '/api/v1/*/pods',
    '/api/v1/*/events',
  ]
  for (const place of places) expect(JSON.stringify(await list(place))).not.toContain(secret)
  const base64 = Buffer.from(secret).toString('base64')
  const files = [join(folder, 'parts'), join(folder, 'world', 'taxiway')].flatMap((top) =>
    readdirSync(top, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
  )
  expect(files.length).toBeGreaterThan(2)
  for (const entry of files) {
    const text = readFileSync(join(entry.parentPath, entry.name), 'latin1')
    expect([entry.name, text.includes(secret) || text.includes(base64)]).toEqual([entry.name, false])
  }
})

test('a push that changes no component leaves all pods as they are, and what they are given', async () => {
  const uids = async () => [...(await podsOf('web')), ...(await podsOf('store'))].map(({ metadata }) => metadata.uid)
  const before = await uids()
  const run = await push({ 'README.md': 'Words' }, 'Say what it is')
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  expect(await uids()).toEqual(before)
  expect((await list('/api/v1/*/secrets')).filter(({ type }) => type === 'Opaque')).toHaveLength(1)
})

test('a release that fails leaves what was given before, and one that succeeds removes it', async () => {
  await setSecret('TOKEN', later)
  const broken = 'FROM busybox:stable\nUSER 1000\nCMD echo no such $TOKEN; exit 1\n'
  const failed = await push({ '.taxiway.yaml': pipeline(world.namespace), Dockerfile: broken }, 'Fail')
  expect(failed.reason.message).toMatch(/web: .*no such \*\*\*; rolled back to/)
  await eventually(async () => expect(new Set(await answers())).toEqual(new Set([`$(COST) is $5|${secret}`])), 30_000)
  const run = await push({ Dockerfile: `${dockerfile}LABEL again=1\n` }, 'Mend')
  expect([run.state, run.reason?.message]).toEqual(['succeeded', undefined])
  await eventually(async () => expect(new Set(await answers())).toEqual(new Set([`$(COST) is $5|${later}`])), 30_000)
  const secrets = (await list('/api/v1/*/secrets')).filter(({ type }) => type === 'Opaque')
  expect(secrets.map(({ data }) => data)).toEqual([{ TOKEN: Buffer.from(later).toString('base64') }])
})

test('a secret that is not set is missed before anything is changed', async () => {
  const before = (await get('/apis/apps/v1/*/deployments/web')).metadata.resourceVersion
  const file = pipeline(world.namespace).replace('secrets: [TOKEN]', 'secrets: [TOKEN, OTHER]')
  const run = await push({ '.taxiway.yaml': file }, 'Want more')
  expect(run.reason).toMatchObject({ code: 'secret_missing', message: expect.stringContaining('OTHER') })
  expect((await get('/apis/apps/v1/*/deployments/web')).metadata.resourceVersion).toBe(before)
})
