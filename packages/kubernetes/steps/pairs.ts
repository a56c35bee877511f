import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { applyObject } from '../apply/apply.ts'
import { autoscalersOf, readAutoscalers } from '../apply/autoscalers.ts'
import { readDeployment, replicasOf } from '../apply/replicas.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, describe, type KubeObject, keys, pathOf, refOf } from '../object.ts'
import { type BesideKind, besideConfigs, besideCount, besideDeployment, besideName, besideOf } from './beside.ts'
import { listBeside } from './beside-live.ts'

/** A Deployment of the release, what runs under its name, and what stands beside it. */
export interface Pair {
  name: string
  /** As the release wants it. */
  wanted: KubeObject
  /** How many pods of the version before serve, when nothing stands beside; 0: there are none to take over from. */
  before: number
  /** The autoscaler that says how many pods it has, as `Kind/name`, if one does. */
  scaler?: string
  /** How many new pods this run has put beside it already, and the last step that it has reached. */
  fresh: number
  step: number
  /** Runs the release itself already: the switch is behind us. */
  isSwitched: boolean
}

/** Deployments that run nothing are left out. */
export async function readPairs(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<Pair[]>> {
  const besides = await listBeside(cluster, release, wait)
  if (!besides.ok) return besides
  // Those that the release has dropped scale until they are removed.
  const found = await readAutoscalers(cluster, release.namespace, wait)
  if (!found.ok) return found
  const scalers = autoscalersOf([...found.value, ...release.objects])
  const pairs: Pair[] = []
  for (const wanted of deploymentsOf(release)) {
    const { name } = wanted.metadata
    const main = await readDeployment(cluster, release, name, wait)
    if (!main.ok) return main
    const own = besides.value.find(
      (one) => besideOf(one) === name && one.metadata.annotations?.[keys.run] === release.runId,
    )
    const scaler = scalers.get(describe(wanted))
    pairs.push({
      name,
      wanted,
      before: own ? besideCount(own, 'before') : main.value ? replicasOf(main.value) : 0,
      ...(scaler ? { scaler } : {}),
      fresh: own ? replicasOf(own) : 0,
      step: own ? besideCount(own, 'step') : 0,
      isSwitched: main.value?.metadata.annotations?.[keys.run] === release.runId,
    })
  }
  return done(pairs)
}

/** Why new pods need not be taken in by steps. */
export function reasonToSkip(pairs: readonly Pair[]): string | undefined {
  if (pairs.some(({ isSwitched }) => isSwitched)) return 'the new version has taken over already'
  return pairs.every(({ before }) => before === 0) ? 'nothing runs yet that it could stand beside' : undefined
}

/** The Deployments of a release that run something. */
export const deploymentsOf = (release: ClusterRelease): KubeObject[] =>
  release.objects.filter((object) => object.kind === 'Deployment' && wantedReplicas(object) > 0)
/** How many pods the release itself asks for. */
export const wantedReplicas = (object: KubeObject): number => (object.spec as { replicas?: number }).replicas ?? 1

/**
 * What new pods need before they stand beside: copies of the release's ConfigMaps, and Services that are not there yet.
 * Nothing that the old pods or their Services use is touched.
 */
export async function prepareBeside(
  cluster: Cluster,
  release: ClusterRelease,
  kind: BesideKind,
  wait: Wait,
): Promise<Outcome<void>> {
  const objects = besideConfigs(release, kind)
  for (const service of release.objects.filter((object) => object.kind === 'Service')) {
    const path = pathOf(release.namespace, refOf(service))
    const live = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
    if (!live.ok) return live
    if (live.value.status === 404) objects.push(service)
  }
  for (const object of objects) {
    const applied = await applyObject(cluster, object, release, wait)
    if (!applied.ok) return applied
  }
  return done(undefined)
}

/** Puts so many new pods beside each Deployment. @returns the Deployments beside, as they were applied */
export async function placeBeside(
  cluster: Cluster,
  release: ClusterRelease,
  kind: BesideKind,
  pairs: readonly { pair: Pair; replicas: number; step: number }[],
  wait: Wait,
): Promise<Outcome<KubeObject[]>> {
  const placed: KubeObject[] = []
  for (const { pair, replicas, step } of pairs) {
    const { before, wanted } = pair
    const object = besideDeployment(release, wanted, { kind, replicas, before, step })
    const applied = await applyObject(cluster, object, release, wait)
    if (!applied.ok) return applied
    placed.push(object)
  }
  return done(placed)
}

/** Names that must be free for what stands beside. @returns one that the release itself has */
export const takenName = (release: ClusterRelease, kind: BesideKind): string | undefined => {
  const own = new Set(release.objects.map((object) => `${object.kind}/${object.metadata.name}`))
  return ['Deployment', 'ConfigMap']
    .flatMap((of) => release.objects.filter((object) => object.kind === of))
    .map((object) => `${object.kind}/${besideName(object.metadata.name, kind)}`)
    .find((name) => own.has(name))
}
