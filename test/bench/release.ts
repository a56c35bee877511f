import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { waitFor } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { runProgram } from '../../deploy/local/process.ts'
import { render } from '../../services/deployer/order/render.ts'
import { makeKubernetesTarget } from '../../services/deployer/target/kubernetes.ts'
import { makeImages, serving } from '../world/images.ts'
import type { BenchContext, BenchResult } from './figures.ts'
import { round } from './figures.ts'
import { interleave, taken } from './interleave.ts'

const atOnce = 20
const manyObjects = 50

/** Releases on a cluster against kubectl with the same objects: one to healthy, one of 50 objects; and 20 at once. */
export async function release({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const kubeconfig = environment.KUBECONFIG ?? ''
  const target = makeKubernetesTarget({ kubeconfig })
  const image = await makeImages(environment as NodeJS.ProcessEnv).publish('bench', serving('bench'))
  const stamp = Date.now().toString(36)
  const namespaces = { ours: `bench-ours-${stamp}`, bare: `bench-bare-${stamp}` }
  const kubectl = (...args: string[]) => runProgram('kubectl', args, { seconds: 120, env: environment })
  const bareApply = (order: ReleaseOrder) => {
    const items = order.objects.map((one) => ({ ...one, metadata: { ...one.metadata, namespace: namespaces.bare } }))
    const file = join(folder, 'bare.json')
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    return () => kubectl('apply', '-f', file)
  }
  let generation = 0
  const order = (name: string, objects: RenderedObject[]) => orderOf(name, image, ++generation, objects)
  const opened = new Set(Object.values(namespaces))
  try {
    await kubectl('create', 'namespace', namespaces.bare)
    const healthy = await interleave({
      figure: 'publish to healthy, of kubectl',
      goal: 1.05,
      rounds: Math.max(5, rounds),
      say,
      ours: () => taken(() => roll(target, order(namespaces.ours, web(generation)))),
      async bare() {
        const apply = bareApply(order(namespaces.bare, web(generation)))
        return taken(async () => {
          await apply()
          await kubectl('rollout', 'status', '-n', namespaces.bare, 'deployment/web')
        })
      },
    })
    const many = await interleave({
      figure: `release of ${manyObjects} objects, of kubectl apply`,
      goal: 1.2,
      rounds: Math.max(5, rounds),
      say,
      async ours() {
        const next = order(`${namespaces.ours}-many`, settings(generation))
        opened.add(next.namespace)
        return taken(async () => {
          succeed(await target.dryRun(next, work()))
          succeed(await target.apply(next, work()))
        })
      },
      bare: () => taken(bareApply(order(namespaces.bare, settings(generation)))),
    })
    const crowd = Array.from({ length: atOnce }, (_, index) => `bench-crowd-${index}-${stamp}`)
    for (const name of crowd) opened.add(name)
    const ms = await taken(() => Promise.all(crowd.map((name) => roll(target, order(name, web(0))))))
    const seconds = round(ms / 1000, 1)
    const row = { figure: `${atOnce} releases at once`, goal: 'all live', measured: `${seconds} s`, holds: true }
    return {
      rows: [...healthy.rows, ...many.rows, row],
      figures: {
        healthy_ratio: healthy.figures.ratio ?? Number.NaN,
        many_ratio: many.figures.ratio ?? Number.NaN,
        at_once_seconds: seconds,
      },
    }
  } finally {
    const cluster = connectCluster({ kubeconfig })
    for (const name of opened)
      await cluster.call({ method: 'DELETE', path: `/api/v1/namespaces/${name}` }, waitFor(20_000, work()))
    cluster.close()
  }
}

const work = (): Work => ({ deadlineMs: 120_000, signal: new AbortController().signal, say: () => undefined })

function succeed<T>(outcome: { ok: true; value: T } | { ok: false; reason: { message: string } }): T {
  if (!outcome.ok) throw new Error(outcome.reason.message)
  return outcome.value
}

/** What the deployer does with a release, without the run around it. */
async function roll(target: Target, order: ReleaseOrder): Promise<void> {
  succeed(await target.dryRun(order, work()))
  succeed(await target.apply(order, work()))
  const verdict = succeed(await target.watch(order, work()))
  if (!verdict.healthy) throw new Error(verdict.detail)
}

function orderOf(namespace: string, image: string, generation: number, objects: RenderedObject[]): ReleaseOrder {
  const place = {
    repositoryId: `repo_${namespace}`,
    repositoryName: 'acme/bench',
    environment: 'production',
    namespace,
  }
  const sha = generation.toString(16).padStart(40, '0')
  const next = { ...place, runId: `run_bench_${generation}`, sha, generation, references: { web: image } }
  return { ...next, ...succeed(render(objects, next)) }
}

/** A Deployment and its Service; another version rolls over. */
const web = (version: number): RenderedObject[] => [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          terminationGracePeriodSeconds: 1,
          containers: [
            {
              name: 'web',
              image: 'web',
              env: [{ name: 'VERSION', value: String(version) }],
              ports: [{ containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
  },
]

const settings = (version: number): RenderedObject[] =>
  Array.from({ length: manyObjects }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `settings-${index}` },
    data: { version: String(version), text: 'x'.repeat(500) },
  }))
