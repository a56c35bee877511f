import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, successOf, type TestPlace } from '../../contracts/target.ts'
import { startProxy } from '../../faults/proxy.ts'
import { type Denials, denyIn } from '../../world/admission.ts'
import { clusterScene, configMap, failureOf, registryOf, wait } from '../../world/cluster-scene.ts'

const scene = clusterScene()

/** Rolls out what must fail. @returns its sentence, its account, and how long it took in seconds */
async function failing(order: ReleaseOrder, deadlineMs = 90_000) {
  successOf(await scene.target.dryRun(order, makeWork()))
  successOf(await scene.target.apply(order, makeWork()))
  const begin = performance.now()
  const verdict = successOf(await scene.target.watch(order, makeWork(deadlineMs)))
  if (verdict.healthy) throw new Error('it became healthy')
  const seconds = (performance.now() - begin) / 1000
  return { detail: verdict.detail, seconds, ...(verdict.explanation as Explanation) }
}
/** Puts something into a place that no release could bring. */
async function make(place: TestPlace, path: string, body: object): Promise<void> {
  const inside = `/api/v1/namespaces/${place.namespace}`
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: place.namespace } }
  await scene.cluster.call({ method: 'POST', path: '/api/v1/namespaces', body: namespace }, wait())
  const made = successOf(await scene.cluster.call({ method: 'POST', path: `${inside}/${path}`, body }, wait()))
  expect([made.status, made.status === 201 ? '' : made.body]).toEqual([201, ''])
}
/** The good image at another registry, of this machine. */
const goodAt = ({ port }: { port: number }) => [`127.0.0.1:${port}`, ...scene.good.split('/').slice(1)].join('/')
const running = (command: string) => ({ command: ['sh', '-c', command] })
const limits = (memory: string) => ({ resources: { limits: { memory }, requests: { memory } } })

// Those that need the node's events come first: a node tells only so many at a time.
test.concurrent('a readiness probe is told with its answer', async () => {
  // It reads the whole request before it answers: a connection that ends early is told as that.
  const answer = `while read -r line && [ "\${#line}" -gt 1 ]; do :; done; printf 'HTTP/1.1 500 no\\r\\nContent-Length: 0\\r\\n\\r\\n'`
  const failing500 = `answer=$(cat <<'END'
${answer}
END
)
exec busybox nc -ll -p 8080 -e sh -c "$answer"`
  const found = await failing(scene.open('http-500').order(scene.good, [deployment(running(failing500))]), 20_000)
  expect(found.detail).toBe('web: never ready: HTTP 500 from /healthz')
  expect(found).toMatchObject({ cause: 'not_ready', container: 'web' })
  expect(found.events?.at(-1)?.reason).toBe('Unhealthy')
})

test.concurrent('a port that nothing listens on is told as that', async () => {
  const container = running('echo listening on 9090; sleep 600')
  const found = await failing(scene.open('no-port').order(scene.good, [deployment(container)]), 20_000)
  expect(found.detail).toBe('web: never ready: nothing listens on port 8080')
  expect(found.log).toEqual(['listening on 9090'])
})

test.concurrent('a liveness probe that kills is told, not the exit code that it causes', async () => {
  const livenessProbe = { httpGet: { path: '/alive', port: 8080 }, periodSeconds: 1, failureThreshold: 1 }
  const objects = [deployment({ livenessProbe }, { minReadySeconds: 120 })]
  const found = await failing(scene.open('killed').order(scene.good, objects))
  expect(found.detail).toBe('web: killed again and again by its liveness probe: HTTP 404 from /alive')
  expect(found).toMatchObject({ cause: 'not_alive', container: 'web' })
})

test.concurrent('a ConfigMap that a volume misses is told within seconds', async () => {
  const pod = { volumes: [{ name: 'conf', configMap: { name: 'nope' } }] }
  const container = { volumeMounts: [{ name: 'conf', mountPath: '/conf' }] }
  const found = await failing(scene.open('no-mount').order(scene.good, [deployment(container, {}, pod)]))
  expect(found.detail).toBe('web: can\'t mount volume conf: configmap "nope" not found')
  expect(found).toMatchObject({ cause: 'config_missing' })
  expect(found.seconds).toBeLessThan(45)
})

test.concurrent('an image that was never pushed is told within seconds', async () => {
  const found = await failing(scene.open('no-image').order(scene.images.missing('web')))
  expect(found.detail).toMatch(/^web: image can't be pulled: (manifest for )?127\S+ not found/)
  expect(found).toMatchObject({ workload: 'Deployment/web', container: 'web', cause: 'image_not_found' })
  expect(found.pod).toMatch(/^web-/)
  expect(found.events?.map(({ reason }) => reason)).toContain('Failed')
  expect(found.seconds).toBeLessThan(15)
})

test.concurrent('a registry that refuses is told as that, within seconds', async () => {
  const denied = JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access to the resource is denied' }] })
  const registry = createServer((_, answer) => {
    answer.writeHead(403, { 'content-type': 'application/json', connection: 'close' }).end(denied)
  }).listen(0, '127.0.0.1')
  await once(registry, 'listening')
  const order = scene.open('denied').order(goodAt(registry.address() as AddressInfo))
  const found = await failing(order, 30_000).finally(() => registry.close())
  expect(found).toMatchObject({ cause: 'image_refused' })
  // Docker tells the registry's own word, containerd its answer.
  expect(found.detail).toMatch(/^web: image can't be pulled: (denied|pulling from host 127\S+ failed .*403 Forbidden)/)
  expect(found.seconds).toBeLessThan(15)
})

test.concurrent('a registry that is away is waited for, and told when the time is over', async () => {
  const registry = await startProxy({ to: registryOf(scene.good) })
  void registry.cutAfter(0, 'request', Number.POSITIVE_INFINITY)
  const order = scene.open('forbidden-invalid').order(goodAt(registry))
  const found = await failing(order, 12_000).finally(registry.close)
  expect(found).toMatchObject({ cause: 'image_unreachable' })
  expect(found.seconds).toBeGreaterThan(10)
})

test.concurrent('a registry that comes back in time costs no release', async () => {
  const registry = await startProxy({ to: registryOf(scene.good) })
  const twice = registry.cutAfter(0, 'request', 2)
  const order = scene.open('registry-back').order(goodAt(registry))
  successOf(await scene.target.dryRun(order, makeWork()))
  successOf(await scene.target.apply(order, makeWork()))
  const watching = scene.target.watch(order, makeWork(60_000))
  // From then on it passes.
  await twice
  expect(successOf(await watching.finally(registry.close))).toMatchObject({ healthy: true })
})

test.concurrent('a program that crashes is told by exit code and last lines', async () => {
  const container = running('exec >&2; echo reading config; echo DATABASE_URL missing; exit 3')
  const found = await failing(scene.open('crashing').order(scene.good, [deployment(container)]))
  expect(found.detail).toBe('web: crash loop, exit 3: DATABASE_URL missing')
  expect(found).toMatchObject({ cause: 'crash', exitCode: 3, log: ['reading config', 'DATABASE_URL missing'] })
})

test.concurrent('of several containers the one that crashes is named', async () => {
  // Both containers run for an instant, and the pod is ready in it: only what stays ready counts.
  const object = deployment({}, { minReadySeconds: 5 })
  const { spec } = (object.spec as { template: { spec: { containers: object[] } } }).template
  spec.containers.push({ name: 'proxy', image: 'web', ...running('echo no upstream; exit 1') })
  const found = await failing(scene.open('two-containers').order(scene.good, [object]))
  expect(found.detail).toBe('web: container proxy: crash loop, exit 1: no upstream')
  expect(found).toMatchObject({ container: 'proxy', log: ['no upstream'] })
})

test.concurrent('a program that needs more memory than its limit is told with the limit', async () => {
  const container = { ...running('echo loading; exec tail /dev/zero'), ...limits('16Mi') }
  const found = await failing(scene.open('memory').order(scene.good, [deployment(container)]))
  expect(found.detail).toMatch(/^web: crash loop, out of memory, killed at its limit of 16Mi/)
  expect(found).toMatchObject({ cause: 'out_of_memory', exitCode: 137 })
})

test.concurrent.each([
  ['memory', { resources: { requests: { memory: '900Ti' } } }, {}, 'no node has the memory it asks for (900Ti)'],
  ['cpu', { resources: { requests: { cpu: '900' } } }, {}, 'no node has the cpu it asks for (900)'],
  ['a node', {}, { nodeSelector: { disk: 'ssd' } }, 'no node has what its node selector asks for (disk=ssd)'],
])('a pod that fits nowhere is told with %s as what is missing', async (what, container, pod, words) => {
  const place = scene.open(`no-${what.replace(' ', '-')}`)
  const found = await failing(place.order(scene.good, [deployment(container, {}, pod)]), 6_000)
  expect(found.detail).toContain(`web: unschedulable: ${words}: 0/1 nodes are available`)
  expect(found).toMatchObject({ cause: 'unschedulable' })
  expect(found.seconds).toBeLessThan(20)
})

const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'small' } }
const ofKind = (kind: 'Deployment' | 'StatefulSet'): RenderedObject[] => {
  const object = deployment(limits('64Mi'))
  return [
    kind === 'Deployment' ? object : { ...object, kind, spec: { ...(object.spec as object), serviceName: 'web' } },
  ]
}

test.concurrent.each(['Deployment', 'StatefulSet'] as const)(
  'a %s whose pods are over the quota is told with the numbers',
  async (kind) => {
    const place = scene.open(`quota-${kind.toLowerCase()}`)
    await make(place, 'resourcequotas', { ...quota, spec: { hard: { 'limits.memory': '32Mi' } } })
    const found = await failing(place.order(scene.good, ofKind(kind)))
    expect(found.detail).toMatch(
      /^web: quota small of the namespace is used up: requested: limits\.memory=64Mi, .*32Mi$/,
    )
    expect(found).toMatchObject({ cause: 'quota_exceeded', workload: `${kind}/web` })
    expect(found.seconds).toBeLessThan(25)
  },
)

test.concurrent('an object over the quota is refused before anything is changed', async () => {
  const place = scene.open('quota-object')
  await make(place, 'resourcequotas', { ...quota, spec: { hard: { 'count/deployments.apps': '0' } } })
  const refused = async () => failureOf(await scene.target.dryRun(place.order(scene.good, [deployment()]), makeWork()))
  await expect.poll(refused, { timeout: 10_000 }).toMatchObject({ code: 'quota_exceeded' })
  expect((await refused())?.message).toMatch(
    /^Deployment\/web does not fit into the namespace: exceeded quota: small, /,
  )
})

test.concurrent('pods that a LimitRange refuses are told', async () => {
  const place = scene.open('limit-range')
  const spec = { limits: [{ type: 'Container', max: { memory: '32Mi' } }] }
  await make(place, 'limitranges', { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'most' }, spec })
  const found = await failing(place.order(scene.good, ofKind('Deployment')))
  expect(found.detail).toBe("web: pods can't be made: maximum memory usage per Container is 32Mi, but limit is 64Mi")
  expect(found).toMatchObject({ cause: 'admission_refused' })
  expect(found.seconds).toBeLessThan(15)
})

test.concurrent('what a webhook refuses is told with its words: the object before, its pods after the apply', async () => {
  const [early, late] = [scene.open('webhook-early'), scene.open('webhook-late')]
  const denials: Denials = { [early.namespace]: 'deployments', [late.namespace]: 'pods' }
  const stop = await denyIn(scene.cluster, denials, 'images must be signed')
  try {
    const reason = failureOf(await scene.target.dryRun(early.order(scene.good, [deployment()]), makeWork()))
    expect(reason).toMatchObject({ code: 'admission_refused' })
    expect(reason?.message).toMatch(/^Deployment\/web was refused .*denied the request: images must be signed\.$/)
    const found = await failing(late.order(scene.good, [deployment()]))
    expect(found.detail).toMatch(
      /^web: pods can't be made: admission webhook .* denied the request: images must be signed$/,
    )
    expect(found).toMatchObject({ cause: 'admission_refused' })
  } finally {
    await stop()
  }
})

const claiming = (claimName: string) =>
  deployment(
    { volumeMounts: [{ name: 'data', mountPath: '/data' }] },
    {},
    {
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    },
  )

test.concurrent('a volume claim that does not exist is named', async () => {
  const found = await failing(scene.open('no-claim').order(scene.good, [claiming('data')]))
  expect(found.detail).toBe('web: volume claim data not found')
  expect(found).toMatchObject({ cause: 'volume_unavailable' })
})

test.concurrent('a volume claim that nothing can be provided for is told with the reason', async () => {
  const place = scene.open('unbound')
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  await make(place, 'persistentvolumeclaims', {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'data' },
    spec,
  })
  const found = await failing(place.order(scene.good, [claiming('data')]), 60_000)
  expect(found.detail).toMatch(/^web: volume claim data is not bound: no persistent volumes available/)
  expect(found).toMatchObject({ cause: 'volume_unavailable' })
  expect(found.seconds).toBeLessThan(40)
})

test.concurrent.each([
  ['Secret', { secretKeyRef: { name: 'db', key: 'url' } }, 'secret "db" not found'],
  ['ConfigMap', { configMapKeyRef: { name: 'db', key: 'url' } }, 'configmap "db" not found'],
  ['key', { configMapKeyRef: { name: 'there', key: 'url' } }, "couldn't find key url in ConfigMap"],
])('a %s that is missing is named', async (what, valueFrom, words) => {
  const place = scene.open(`missing-${what.toLowerCase()}`)
  const objects = [configMap('there', { other: '1' }), deployment({ env: [{ name: 'DB', valueFrom }] })]
  const found = await failing(place.order(scene.good, objects))
  expect(found.detail).toContain(`web: can't start: ${words}`)
  expect(found).toMatchObject({ cause: 'config_missing' })
  expect(found.seconds).toBeLessThan(45)
})

test.concurrent('a Secret that is made in time costs no release', async () => {
  const place = scene.open('late-secret')
  const env = [{ name: 'DB', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } }]
  const order = place.order(scene.good, [deployment({ env })])
  successOf(await scene.target.dryRun(order, makeWork()))
  successOf(await scene.target.apply(order, makeWork()))
  const watching = scene.target.watch(order, makeWork(60_000))
  await expect
    .poll(async () => JSON.stringify(await scene.read(place, '/api/v1/namespaces/*/pods')), { timeout: 20_000 })
    .toContain('CreateContainerConfigError')
  await make(place, 'secrets', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'db' }, stringData: { url: 'x' } })
  expect(successOf(await watching)).toMatchObject({ healthy: true })
})

test.concurrent('a command that the image does not have is named', async () => {
  const found = await failing(scene.open('no-command').order(scene.good, [deployment({ command: ['gunicorn'] })]))
  expect(found.detail).toMatch(/^web: can't start: .*"gunicorn": executable file not found/)
  expect(found).toMatchObject({ cause: 'program_missing' })
  expect(found.seconds).toBeLessThan(15)
})

test.concurrent('an init container that fails is named, with its last line', async () => {
  const initContainers = [{ name: 'migrate', image: 'web', ...running('echo no such table: users; exit 4') }]
  const found = await failing(scene.open('init').order(scene.good, [deployment({}, {}, { initContainers })]))
  expect(found.detail).toBe('web: init container migrate: crash loop, exit 4: no such table: users')
  expect(found).toMatchObject({ cause: 'init_failed', container: 'migrate', exitCode: 4 })
})

test.concurrent.each(['Never', 'OnFailure'])('a Job that fails is told (restartPolicy %s)', async (restartPolicy) => {
  const container = { name: 'seed', image: 'web', ...running('echo connecting; echo no database; exit 7') }
  const template = { spec: { restartPolicy, terminationGracePeriodSeconds: 1, containers: [container] } }
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'seed' }, spec: { backoffLimit: 1, template } }
  const found = await failing(scene.open(`job-${restartPolicy.toLowerCase()}`).order(scene.good, [job]))
  expect(found.detail).toMatch(
    restartPolicy === 'Never'
      ? /^seed: exit 7: no database$/
      : /^seed: ((crash loop, )?exit 7|Job has reached the specified backoff limit)/,
  )
  expect(found).toMatchObject({ cause: 'job_failed', workload: 'Job/seed' })
  // Without restarts its pods stay, and so does what they said.
  if (restartPolicy === 'Never') expect(found).toMatchObject({ exitCode: 7, log: ['connecting', 'no database'] })
})
