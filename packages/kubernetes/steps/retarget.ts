import { waveOf } from '@taxiway/domain/environment/waves.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { applyObject, applyRelease } from '../apply/apply.ts'
import { readDeployment } from '../apply/replicas.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import type { Seen } from '../explain/finding.ts'
import { isReady } from '../health/pod.ts'
import { claim } from '../inventory.ts'
import { type ClusterRelease, describe, hashLabel, type KubeObject } from '../object.ts'
import { hashOfOld } from './blue-green.ts'
import { changesAim, conflicts, held, isHeld, podsBehind, withAim } from './retarget-plan.ts'
import { aimOf, awaitServing, pointedAt, readServices } from './services.ts'

// A Service whose selector or ports change is written when the new pods are ready. Until then it is held to the pods it has, and
// where a Deployment would replace those, that keeps them: so a good release loses no request, and a bad one is never met.

/** For the pods of a Service to be of one template, and for its new ones to be known to it. */
const settledMs = 10_000

/**
 * The release as it is applied at first: Services that change where they send to as they are now, and Deployments that would
 * take their pods away as ones that keep them. @param all what the whole release holds, also in later waves
 */
export async function holdBack(
  cluster: Cluster,
  release: ClusterRelease,
  all: readonly KubeObject[],
  wait: Wait,
): Promise<Outcome<ClusterRelease>> {
  const changing = await changingServices(cluster, release, all, wait)
  if (!changing.ok || changing.value.length === 0) return changing.ok ? done(release) : changing
  const claimed = await claim(cluster, release, wait)
  if (!claimed.ok) return claimed
  const instead = new Map<string, KubeObject>()
  for (const { own, live } of changing.value) {
    let aim = aimOf(live)
    const behind = podsBehind(own, all)
    if (behind.some((workload) => conflicts(own, live, workload)) && pointedAt(live) === 'all') {
      const hash = await hashOfOld(cluster, release, aim.selector, waitFor(settledMs, wait))
      if (!hash.ok) return hash
      const isOne = hash.value !== undefined && hash.value !== 'many'
      if (isOne) aim = { ...aim, selector: { ...aim.selector, [hashLabel]: hash.value as string } }
      const pinned = await applyObject(cluster, withAim(own, aim), release, wait)
      if (!pinned.ok) return pinned
    }
    instead.set(describe(own), withAim(own, aim))
    if (release.objects.some((one) => describe(one) === describe(own)))
      wait.say(`${describe(own)} is changed when the pods that it is to send to are ready`)
  }
  for (const object of all) {
    const isAsked = changing.value.some(
      ({ own, live }) => podsBehind(own, all).includes(object) && conflicts(own, live, object),
    )
    if (object.kind !== 'Deployment' || !isAsked) continue
    const live = await readDeployment(cluster, release, object.metadata.name, wait)
    if (!live.ok) return live
    const keeping = live.value && held(object)
    if (keeping) instead.set(describe(object), keeping)
  }
  return done({ ...release, objects: release.objects.map((object) => instead.get(describe(object)) ?? object) })
}

/** Looks on while the release becomes healthy, and writes each Service that was held back once its pods are ready. */
export interface Retargeting {
  /** @returns whether something was written, so that what was seen is not true any more */
  look(seen: readonly Seen[]): Promise<Outcome<boolean>>
  /** Once all is healthy: gives Services that were held to pods of one template their own aim. */
  end(): Promise<Outcome<void>>
}

/** The Services that are still to be written, of a release that was applied by `holdBack`. */
export async function beginRetargeting(
  cluster: Cluster,
  release: ClusterRelease,
  all: readonly KubeObject[],
  wait: Wait,
): Promise<Outcome<Retargeting>> {
  const changing = await changingServices(cluster, release, all, wait)
  if (!changing.ok) return changing
  const open = new Map(changing.value.map(({ own }) => [describe(own), own]))
  const pinned: KubeObject[] = []
  const write = async (object: KubeObject): Promise<Outcome<void>> => {
    const written = await applyObject(cluster, object, release, wait)
    return written.ok ? done(undefined) : written
  }
  /** Has it send to the new pods only, as long as there are old ones of the same Deployment. */
  const turn = async (own: KubeObject, behind: readonly Seen[]): Promise<Outcome<void>> => {
    const pods = behind.flatMap((one) => one.pods)
    const hashes = [...new Set(pods.map(({ metadata }) => metadata.labels?.[hashLabel]))]
    const [hash] = hashes
    const { selector, ports } = aimOf(own)
    const isPinned = hashes.length === 1 && hash !== undefined && behind.some(({ workload }) => isHeld(workload))
    const written = await write(isPinned ? withAim(own, { selector: { ...selector, [hashLabel]: hash }, ports }) : own)
    if (!written.ok) return written
    wait.say(`${describe(own)} sends to the new pods now`)
    if (!isPinned) return done(undefined)
    pinned.push(own)
    const names = new Set(pods.map(({ metadata }) => metadata.name))
    const isNew = (to: string[]) => to.length > 0 && to.every((name) => names.has(name))
    const served = await awaitServing(cluster, release, own.metadata.name, isNew, waitFor(settledMs, wait))
    return served.ok ? done(undefined) : served
  }
  return done({
    async look(seen) {
      const turned: KubeObject[] = []
      for (const own of open.values()) {
        const wanted = podsBehind(own, all)
        const behind = seen.filter(({ workload }) => wanted.some((one) => describe(one) === describe(workload)))
        const isDone =
          wanted.length === 0
            ? seen.every(({ health }) => health.state === 'healthy')
            : behind.length === wanted.length && behind.every(areReady)
        if (!isDone) continue
        const written = await turn(own, behind)
        if (!written.ok) return written
        turned.push(own)
      }
      for (const own of turned) open.delete(describe(own))
      const waitedFor = new Set([...open.values()].flatMap((own) => podsBehind(own, all)).map(describe))
      const heldNow = seen.filter(({ workload }) => isHeld(workload) && !waitedFor.has(describe(workload)))
      const freed = heldNow.flatMap(({ workload }) =>
        release.objects.filter((object) => describe(object) === describe(workload)),
      )
      if (freed.length > 0) {
        const applied = await applyRelease(cluster, { ...release, objects: freed }, wait)
        if (!applied.ok) return applied
      }
      return done(turned.length > 0 || freed.length > 0)
    },
    async end() {
      for (const own of pinned) {
        const written = await write(own)
        if (!written.ok) return written
      }
      return done(undefined)
    },
  })
}

/** Are the pods of its present template there and ready? One that keeps its old ones is never healthy by itself. */
function areReady({ workload, health, pods }: Seen): boolean {
  if (!isHeld(workload)) return health.state === 'healthy'
  const { replicas = 1 } = (workload.spec ?? {}) as { replicas?: number }
  const { conditions = [] } = (workload.status ?? {}) as { conditions?: { type: string; status: string }[] }
  // A quota may have no room for twice as many: then those that there is room for must do.
  const isFull = conditions.some(({ type, status }) => type === 'ReplicaFailure' && status === 'True')
  const ready = pods.filter(isReady).length
  return ready >= replicas || (isFull && ready > 0 && ready === pods.length)
}

interface Changing {
  own: KubeObject
  live: KubeObject
}

/**
 * Services, of this wave and those before, that are live and to send elsewhere, or were held to some pods by a release that did
 * not end. What has a later turn than its pods is written then, as it asks for.
 */
async function changingServices(
  cluster: Cluster,
  release: ClusterRelease,
  all: readonly KubeObject[],
  wait: Wait,
): Promise<Outcome<Changing[]>> {
  const wave = Math.max(...release.objects.map(waveOf))
  const wanted = all.filter((object) => object.kind === 'Service' && waveOf(object) <= wave)
  if (wanted.length === 0) return done([])
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  return done(
    wanted.flatMap((own) => {
      const live = services.value.find(({ metadata }) => metadata.name === own.metadata.name)
      if (!live || live.metadata.deletionTimestamp || pointedAt(live) === 'green') return []
      return changesAim(own, live, all) ? [{ own, live }] : []
    }),
  )
}
