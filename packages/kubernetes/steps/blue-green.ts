import { setTimeout as sleep } from 'node:timers/promises'
import type { Verdict } from '@taxiway/domain/environment/release.ts'
import type { Strategy } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait, waitFor } from '../cluster/call.ts'
import { readOwnedPods } from '../health/owned.ts'
import { watchRelease } from '../health/watch.ts'
import { type ClusterRelease, hashLabel, type KubeObject, type Pod, pathOf, selectorOf } from '../object.ts'
import { besidePods, type Fault, faultOf, type Ground, holdTrial } from './analysis.ts'
import { beginBeside } from './begin.ts'
import { besideKeys, besideSelector } from './beside.ts'
import { type Pair, placeBeside, prepareBeside, wantedReplicas } from './pairs.ts'
import {
  type Aim,
  aimOf,
  awaitServing,
  firstAimOf,
  podLabelsOf,
  pointedAt,
  pointService,
  readServices,
  selects,
} from './services.ts'

type BlueGreen = Extract<Strategy, { kind: 'blue_green' }>

const pollMs = 200
const homeMs = 30_000
/** Marks on what stands beside: all pods are there; Services send to them. */
const whole = 1
const switched = 2

/**
 * Starts the new version whole beside the old one, measures it, and points the Services at it in one write each. When it
 * ends well the new pods serve, and the release is still to be applied under its own names; when not, the old ones serve as
 * before. Until the switch Services are held to the pods they have, so that the new ones get no request.
 */
export async function takeInGreen(
  cluster: Cluster,
  release: ClusterRelease,
  ground: Ground & { strategy: BlueGreen },
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const { timeoutMs } = ground.strategy
  const begun = await beginBeside(cluster, release, timeoutMs, wait)
  if (!begun.ok) return begun
  if ('verdict' in begun.value) return done(begun.value.verdict)
  const { pairs } = begun.value
  const fault = await throughSwitch(cluster, release, pairs, ground, wait)
  if (!fault.ok) return fault
  if (!fault.value) return done({ healthy: true, ready: 'the new version serves' })
  const { name, text } = fault.value
  return done({ healthy: false, detail: `${name ? `${name}: ` : ''}blue-green: ${text}` })
}

async function throughSwitch(
  cluster: Cluster,
  release: ClusterRelease,
  pairs: readonly Pair[],
  ground: Ground & { strategy: BlueGreen },
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const { timeoutMs, pauseMs } = ground.strategy
  const reached = Math.min(...pairs.map(({ step }) => step))
  const place = (step: number) =>
    placeBeside(
      cluster,
      release,
      'green',
      pairs.map((pair) => sized(pair, step)),
      wait,
    )
  if (reached < switched) {
    const prepared = await prepareBeside(cluster, release, 'green', wait)
    if (!prepared.ok) return prepared
    const held = await holdServices(cluster, release, pairs, waitFor(timeoutMs, wait))
    if (!held.ok || held.value) return held
  }
  ground.tell('blue-green, starting')
  wait.say(`blue-green: ${pairs.map((pair) => `${pair.name} ${sized(pair, 0).replicas} new`).join(', ')}`)
  const placed = await place(reached)
  if (!placed.ok) return placed
  const verdict = await watchRelease(cluster, { ...release, objects: placed.value }, waitFor(timeoutMs, wait))
  if (!verdict.ok) return verdict
  if (!verdict.value.healthy) return done(faultOf(verdict.value.detail, placed.value))
  if (reached < switched) {
    const marked = await place(whole)
    if (!marked.ok) return marked
    ground.tell('blue-green, measured')
    const trial = { deployments: marked.value, progress: 'blue-green', pauseMs, id: 'green' }
    const fault = await holdTrial(cluster, release, trial, ground, wait)
    if (!fault.ok || fault.value) return fault
  }
  const pointed = await pointToGreen(cluster, release, placed.value, waitFor(timeoutMs, wait))
  if (!pointed.ok || pointed.value) return pointed
  const marked = await place(switched)
  return marked.ok ? done(undefined) : marked
}

const sized = (pair: Pair, step: number) => ({
  pair,
  replicas: Math.max(pair.before, wantedReplicas(pair.wanted)),
  step,
})

/** Holds every Service that would select the new pods to the pods it has now. */
async function holdServices(
  cluster: Cluster,
  release: ClusterRelease,
  pairs: readonly Pair[],
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  for (const live of services.value.filter((one) => pointedAt(one) === 'all')) {
    const { selector, ports } = aimOf(live)
    if (!pairs.some(({ wanted }) => selects(selector, podLabelsOf(wanted)))) continue
    const hash = await hashOfOld(cluster, release, selector, wait)
    if (!hash.ok) return hash
    const { name } = live.metadata
    if (hash.value === 'many') return done({ text: `Service/${name} sends to pods of more than one version` })
    // It has no pods, so there is nobody to hold it to.
    if (hash.value === undefined) continue
    const aim = { selector: { ...selector, [hashLabel]: hash.value }, ports }
    const held = await pointService(cluster, release, name, () => aim, { isOwn: false }, wait)
    if (!held.ok) return held
  }
  return done(undefined)
}

/** The one template that the pods of a selector have; waits while it is being changed. */
export async function hashOfOld(
  cluster: Cluster,
  release: ClusterRelease,
  selector: Record<string, string>,
  wait: Wait,
): Promise<Outcome<string | 'many' | undefined>> {
  for (;;) {
    const deployments = await listDeployments(cluster, release, wait)
    if (!deployments.ok) return deployments
    const owned = await readOwnedPods(cluster, { namespace: release.namespace, kinds: ['Deployment'] }, wait)
    if (!owned.ok) return owned
    const pods = deployments.value
      .flatMap((one) => owned.value.of(one))
      .filter(({ metadata }) => !metadata.deletionTimestamp && selects(selector, metadata.labels ?? {}))
    const hashes = [...new Set(pods.map(({ metadata }) => metadata.labels?.[hashLabel]))]
    if (hashes.length <= 1) return done(hashes[0])
    if (performance.now() + pollMs > wait.untilMs) return done('many')
    await sleep(pollMs, undefined, { signal: wait.signal })
  }
}

/** The environment's Deployments of before: without those that stand beside. */
async function listDeployments(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<KubeObject[]>> {
  const ref = { apiVersion: 'apps/v1', kind: 'Deployment' }
  const query = { labelSelector: `${selectorOf(release)},!${besideKeys.beside}` }
  const path = pathOf(release.namespace, ref)
  const answer = await cluster.call<{ items?: KubeObject[] }>({ method: 'GET', path, query }, wait)
  if (!answer.ok) return answer
  const { status, body } = answer.value
  if (status !== 200) throw new Error(`could not list Deployments: ${status} ${messageOf(body)}`)
  return done((body.items ?? []).map((item) => ({ ...item, ...ref })))
}

/** Points the Services at the new pods, with the ports of the release, and sees that they send to them and to no other. */
async function pointToGreen(
  cluster: Cluster,
  release: ClusterRelease,
  placed: readonly KubeObject[],
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  const pointed: string[] = []
  for (const live of services.value.filter((one) => pointedAt(one) !== 'all')) {
    const { name } = live.metadata
    const aim = greenAim(release, live)
    if (!placed.some((object) => selects(aim.selector, podLabelsOf(object))))
      return done({ text: `Service/${name} of this release selects none of its pods` })
    const written = await pointService(cluster, release, name, () => aim, { isOwn: false }, wait)
    if (!written.ok) return written
    pointed.push(name)
  }
  wait.say(`switched: ${pointed.map((name) => `Service/${name}`).join(', ') || 'there is no Service to switch'}`)
  const pods = await besidePods(cluster, release, wait)
  if (!pods.ok) return pods
  for (const name of pointed) {
    const green = new Set(pods.value.map(({ metadata }) => metadata.name))
    const served = await awaitServing(
      cluster,
      release,
      name,
      (to) => to.length > 0 && to.every((pod) => green.has(pod)),
      wait,
    )
    if (!served.ok) return served
    if (!served.value) return done({ text: `Service/${name} does not send to the new pods` })
  }
  return done(undefined)
}

/** The aim of the release's own Service (of the live one, when the release has it no more), at new pods only. */
function greenAim(release: ClusterRelease, live: KubeObject): Aim {
  const own = release.objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === live.metadata.name)
  const { selector, ports } = own ? aimOf(own) : firstAimOf(live)
  return { selector: { ...selector, [besideKeys.beside]: 'green' }, ports }
}

/** The release with those Services pointed at new pods that are so now: what it is applied as while these serve. */
export async function pointedAsNow(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<ClusterRelease>> {
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  const green = new Map(
    services.value.filter((one) => pointedAt(one) === 'green').map((one) => [one.metadata.name, one]),
  )
  const objects = release.objects.map((object) => {
    const live = object.kind === 'Service' ? green.get(object.metadata.name) : undefined
    return live ? { ...object, spec: { ...(object.spec as object), ...greenAim(release, live) } } : object
  })
  return done({ ...release, objects })
}

/** Once the release itself is healthy: gives its Services their own aims, and sees that they send to its pods. */
export async function pointHome(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  const green = services.value.filter((one) => pointedAt(one) === 'green')
  if (green.length === 0) return done(undefined)
  const beside = await podNames(cluster, release, besideSelector(release), wait)
  if (!beside.ok) return beside
  for (const live of green) {
    const { name } = live.metadata
    const own = release.objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === name)
    const aim = own ? aimOf(own) : firstAimOf(live)
    const written = await pointService(cluster, release, name, () => aim, { isOwn: true }, wait)
    if (!written.ok) return written
    const isHome = (to: string[]) => to.some((pod) => !beside.value.has(pod))
    const served = await awaitServing(cluster, release, name, isHome, waitFor(homeMs, wait))
    if (!served.ok) return served
    if (!served.value) wait.say(`Service/${name} sends to none of the release's own pods yet`)
  }
  return done(undefined)
}

async function podNames(
  cluster: Cluster,
  release: ClusterRelease,
  labelSelector: string,
  wait: Wait,
): Promise<Outcome<Set<string>>> {
  const path = `/api/v1/namespaces/${release.namespace}/pods`
  const answer = await cluster.call<{ items?: Pod[] }>({ method: 'GET', path, query: { labelSelector } }, wait)
  if (!answer.ok) return answer
  const { status, body } = answer.value
  if (status !== 200) throw new Error(`could not read pods: ${status} ${messageOf(body)}`)
  return done(new Set((body.items ?? []).map(({ metadata }) => metadata.name)))
}
