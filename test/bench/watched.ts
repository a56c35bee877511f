import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import { newId, type RepositoryId, type RunId } from '@taxiway/domain/ids.ts'
import { waitFor } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore, type Store } from '@taxiway/store/store.ts'
import { render } from '../../services/deployer/order/render.ts'
import { makeKubernetesTarget } from '../../services/deployer/target/kubernetes.ts'
import { makeTaxiway } from '../world/taxiway.ts'
import { type BenchContext, type BenchResult, round } from './figures.ts'

const count = 200
/** Looks go on at least this long before memory is read, so that what they leave is there. */
const settleMs = 60_000
const goalMb = 250

/** Memory of a deployer that watches 200 Deployments (without pods): as one environment, and as 200. */
export async function watched(context: BenchContext): Promise<BenchResult> {
  const together = await measure(context, 1)
  const apart = await measure(context, count)
  const row = (figure: string, { rss, cpu }: { rss: number; cpu: number }) => ({
    figure,
    goal: `<= ${goalMb} MB`,
    measured: `${rss} MB, ${cpu} % of a processor`,
    holds: rss <= goalMb,
  })
  return {
    rows: [
      row(`deployer, ${count} Deployments of 1 environment`, together),
      row(`deployer, ${count} Deployments of ${count} environments`, apart),
    ],
    figures: { together_mb: together.rss, together_cpu: together.cpu, apart_mb: apart.rss, apart_cpu: apart.cpu },
  }
}

async function measure({ folder, environment, say }: BenchContext, environments: number) {
  const store = openStore({ redisUrl: environment.REDIS_URL ?? '', secretKey: randomBytes(32) })
  await waitReady(store.redis, 5_000)
  const kubeconfig = environment.KUBECONFIG ?? ''
  const target = makeKubernetesTarget({ kubeconfig })
  const namespace = `taxiway-watched-${environments}-${process.pid}`
  const signal = new AbortController().signal
  const work = { deadlineMs: 300_000, signal, say: () => undefined }
  const repo = await register(store, namespace)
  const taxiway = await makeTaxiway({
    folder: join(folder, namespace),
    environment: { ...environment, TAXIWAY_TARGET: 'kubernetes' },
  })
  try {
    for (let index = 0; index < environments; index++) {
      const order = orderOf(repo, namespace, `e${index}`, count / environments)
      if (index === 0) await target.dryRun({ ...order, objects: order.objects.slice(0, 1) }, work)
      const applied = await target.apply(order, work)
      if (!applied.ok) throw new Error(applied.reason.message)
      await setLive(store, order)
    }
    const { child } = await taxiway.start(['deployer'])
    await allSeen(store, repo, environments)
    const before = processOf(child.pid)
    await sleep(settleMs)
    const after = processOf(child.pid)
    const cpu = round(((after.cpuMs - before.cpuMs) / settleMs) * 100, 1)
    say(`${environments} environments: ${after.rss} MB, ${cpu} %`)
    return { rss: after.rss, cpu }
  } finally {
    await taxiway.stop()
    const cluster = connectCluster({ kubeconfig })
    await cluster.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }, waitFor(20_000, work))
    cluster.close()
    await store.repositories.remove((await store.repositories.read(repo)) as never)
    await store.close()
  }
}

async function register(store: Store, name: string): Promise<RepositoryId> {
  const id = newId<RepositoryId>('repo', store.random)
  const url = `https://git.example.com/acme/${name}.git`
  const repository = { id, host: 'github' as const, name: `acme/${name}`, url, apiUrl: url, deploy: {} }
  await store.repositories.add({ ...repository, createdAt: new Date().toISOString() }, { webhookSecret: 'x' })
  return id
}

function orderOf(repo: RepositoryId, namespace: string, environment: string, deployments: number): ReleaseOrder {
  const image = `registry.example.com/web@sha256:${'0'.repeat(64)}`
  const place = { repositoryId: repo, repositoryName: 'acme/web', environment, namespace, generation: 1 }
  const release = { ...place, runId: 'run_of_the_bench', sha: 'a'.repeat(40), references: { web: image } }
  const objects = Array.from({ length: deployments }, (_, index) => deployment(`${environment}-web-${index}`))
  const rendered = render(objects, release)
  if (!rendered.ok) throw new Error(rendered.reason.message)
  return { ...release, ...rendered.value }
}

const deployment = (name: string): RenderedObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'web',
            env: Array.from({ length: 10 }, (_, index) => ({ name: `NAME_${index}`, value: `value ${index}` })),
            ports: [{ containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/healthz', port: 8080 } },
          },
        ],
      },
    },
  },
})

const setLive = (store: Store, order: ReleaseOrder): Promise<void> =>
  store.releases.save(order.repositoryId as RepositoryId, order.environment, {
    runId: order.runId as RunId,
    sequence: 1,
    sha: order.sha,
    generation: 1,
    state: 'live',
    target: 'kubernetes',
    order,
  })

/** Waits until every environment was looked at, and all of its objects were compared. */
async function allSeen(store: Store, repo: RepositoryId, environments: number): Promise<void> {
  for (let index = 0; index < environments; ) {
    const seen = await store.environmentStates.read({ repo, name: `e${index}` })
    if (seen?.condition === 'healthy' && seen.drift && !seen.drift.unchecked) index++
    else await sleep(200)
  }
}

function processOf(pid: number | undefined): { rss: number; cpuMs: number } {
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  // Clock ticks of 10 ms, in user and in system mode.
  return { rss: round((kilobytes * 1024) / 1e6, 0), cpuMs: (Number(fields[11]) + Number(fields[12])) * 10 }
}
