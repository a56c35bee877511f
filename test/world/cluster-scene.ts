import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import { type Cluster, clusterVersion, waitFor } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll } from 'vitest'
import { makeKubernetesTarget } from '../../services/deployer/target/kubernetes.ts'
import { makePlace, makeWork, successOf, type TestPlace } from '../contracts/target.ts'
import { type Images, makeImages, serving } from './images.ts'

/** The cluster that KUBECONFIG names. */
export const kubeconfig = () => ({ kubeconfig: process.env.KUBECONFIG ?? '' })
export const wait = () => waitFor(20_000, makeWork())
export const webPath = '/apis/apps/v1/namespaces/*/deployments/web'
export const servicePath = '/api/v1/namespaces/*/services/web'
export const configMap = (name: string, data: object): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})
export const failureOf = (outcome: Awaited<ReturnType<Target['apply']>>) => (outcome.ok ? undefined : outcome.reason)

/** The second number of the cluster's version, and what it calls the kinds whose names have changed since 1.20. */
export async function versionsOf(cluster: Cluster) {
  const version = successOf(await clusterVersion(cluster, wait()))
  const minor = Number(/^v1\.(\d+)\./.exec(version)?.[1])
  return {
    minor,
    autoscaling: minor < 23 ? 'autoscaling/v2beta2' : 'autoscaling/v2',
    disruption: minor < 21 ? 'policy/v1beta1' : 'policy/v1',
  }
}

export async function removeNamespace({ namespace }: TestPlace): Promise<void> {
  const cluster = connectCluster(kubeconfig())
  await cluster.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }, wait())
  cluster.close()
}

/** A cluster, a target and a good image for the tests of one file; the places they open are removed at its end. */
export function clusterScene() {
  const places: TestPlace[] = []
  const scene = {
    cluster: undefined as unknown as Cluster,
    target: undefined as unknown as Target,
    images: undefined as unknown as Images,
    good: '',
    open(name: string, repositoryId?: string): TestPlace {
      const place = makePlace(name, repositoryId)
      places.push(place)
      return place
    },
    async roll(order: ReleaseOrder, deadlineMs = 20_000) {
      successOf(await scene.target.dryRun(order, makeWork()))
      successOf(await scene.target.apply(order, makeWork()))
      return successOf(await scene.target.watch(order, makeWork(deadlineMs)))
    },
    /** @param path `*` stands for the place's namespace */
    async read(place: TestPlace, path: string): Promise<KubeObject | undefined> {
      const call = { method: 'GET', path: path.replace('*', place.namespace) } as const
      const { status, body } = successOf(await scene.cluster.call<KubeObject>(call, wait()))
      return status === 404 ? undefined : body
    },
  }
  beforeAll(async () => {
    scene.cluster = connectCluster(kubeconfig())
    scene.target = makeKubernetesTarget(kubeconfig())
    scene.images = makeImages()
    scene.good = await scene.images.publish('web', serving('one'))
  })
  afterAll(async () => {
    for (const place of places) await removeNamespace(place)
    scene.cluster.close()
  })
  return scene
}

/** The host and port that an image's name begins with. */
export function registryOf(image: string): { host: string; port: number } {
  const { hostname, port } = new URL(`http://${image}`)
  return { host: hostname, port: Number(port) }
}
