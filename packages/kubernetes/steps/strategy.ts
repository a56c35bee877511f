import type { Verdict } from '@taxiway/domain/environment/release.ts'
import type { Strategy } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, isWorkload, type KubeObject } from '../object.ts'
import type { Ground } from './analysis.ts'
import { takeInGreen } from './blue-green.ts'
import { takeInCanary } from './canary.ts'
import { portsAsked } from './measure-http.ts'
import { checkPrometheus } from './measure-prometheus.ts'
import { deploymentsOf, type Pair, readPairs, takenName } from './pairs.ts'
import { aimOf, podLabelsOf, selects } from './services.ts'

/** A canary of what an autoscaler scales comes on top of what is there, so at most doubles it. */
const largestScaledWeight = 50

/** Can this release take over by this strategy? Reads what is there, and changes nothing. */
export async function checkStrategy(
  cluster: Cluster,
  release: ClusterRelease,
  strategy: Strategy,
  { allowedOrigins }: Pick<Ground, 'allowedOrigins'>,
  wait: Wait,
): Promise<Outcome<void>> {
  for (const measure of strategy.analysis) {
    const checked = measure.kind === 'prometheus' ? checkPrometheus(measure, allowedOrigins) : undefined
    if (checked && !checked.ok) return checked
  }
  const objection = objectionTo(release, strategy)
  if (objection) return refuse('manifest_unsupported', objection)
  const pairs = await readPairs(cluster, release, wait)
  if (!pairs.ok) return pairs
  const scaled = pairs.value.map((pair) => scaledObjection(pair, strategy)).find(Boolean)
  return scaled ? refuse('manifest_unsupported', scaled) : done(undefined)
}

/** What in the manifests themselves can't be carried. Pure. */
export function objectionTo(
  release: ClusterRelease,
  { kind, analysis }: Pick<Strategy, 'kind' | 'analysis'>,
): { object: string; detail: string } | undefined {
  const word = kind === 'canary' ? 'canary' : 'blue_green'
  const deployments = deploymentsOf(release)
  if (deployments.length === 0)
    return {
      object: word,
      detail: 'there is no Deployment with pods in the manifests, and other kinds change in their own way',
    }
  const single = deployments.find(isSingle)
  if (single)
    return {
      object: `Deployment/${single.metadata.name}`,
      detail: `its strategy is Recreate, so two versions of it may not run side by side, as ${word} wants`,
    }
  const taken = takenName(release, kind === 'canary' ? 'canary' : 'green')
  if (taken) return { object: taken, detail: `its name is needed for what ${word} puts beside` }
  const shared = kind === 'blue_green' ? sharedService(release) : undefined
  if (shared)
    return {
      object: `Service/${shared}`,
      detail: 'it selects the pods of more than one object, and blue_green switches those of one',
    }
  for (const measure of analysis)
    if (measure.kind === 'http' && portsAsked(measure, deployments).size === 0)
      return {
        object: word,
        detail: `no container has a port to be asked for ${measure.path}; name one in the analysis`,
      }
  return undefined
}

/** A Service whose pods have not one template: it can't be held to those of the version before. */
const sharedService = (release: ClusterRelease): string | undefined =>
  release.objects.find((object) => {
    if (object.kind !== 'Service') return false
    const { selector } = aimOf(object)
    return release.objects.filter((one) => isWorkload(one) && selects(selector, podLabelsOf(one))).length > 1
  })?.metadata.name

const isSingle = ({ spec }: KubeObject): boolean =>
  (spec as { strategy?: { type?: string } }).strategy?.type === 'Recreate'

function scaledObjection({ name, scaler }: Pair, strategy: Strategy): { object: string; detail: string } | undefined {
  if (!scaler || strategy.kind !== 'canary') return undefined
  const { weight } = strategy.steps.at(-1) ?? { weight: 0 }
  if (weight <= largestScaledWeight) return undefined
  const detail = `${scaler} says how many pods it has, so a canary only adds to them, and ends at ${largestScaledWeight} % at most`
  return { object: `Deployment/${name}`, detail }
}

/** Takes new pods through the steps of the strategy, until the release itself may be applied. */
export async function advance(
  cluster: Cluster,
  release: ClusterRelease,
  ground: Ground,
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const { strategy } = ground
  if (strategy.kind === 'canary') return takeInCanary(cluster, release, { ...ground, strategy }, wait)
  return takeInGreen(cluster, release, { ...ground, strategy }, wait)
}
