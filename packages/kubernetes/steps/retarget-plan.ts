import { hashLabel, isWorkload, type KubeObject } from '../object.ts'
import { type Aim, aimOf, podLabelsOf, selects } from './services.ts'

// Pure: which Services of a release have to wait for its pods, and how a Deployment is kept from taking the old ones away.

/** Annotation of a Deployment that keeps its old pods beside the new ones until a Service sends to those. */
const keeps = 'taxiway.dev/keeps-old-pods'
/** Longer than any release takes to become ready. */
const keptSeconds = 7 * 24 * 3600

interface Port {
  port: number
  targetPort?: number | string
  protocol?: string
}
const portsOf = ({ ports }: Aim): Port[] => (Array.isArray(ports) ? ports : [])

/** Is the Service to send elsewhere than it does now, or held to some pods? Further ports don't count. */
export function changesAim(own: KubeObject, live: KubeObject, all: readonly KubeObject[]): boolean {
  const [wanted, now] = [aimOf(own), aimOf(live)]
  if (hashLabel in now.selector) return true
  if (Object.keys(wanted.selector).length === 0 || isForPeers(own, all)) return false
  return !isSame(wanted.selector, now.selector) || changesPorts(own, live)
}

/** Peers find each other by it before they are ready, so it can't wait for them. */
function isForPeers({ spec, metadata }: KubeObject, all: readonly KubeObject[]): boolean {
  const { publishNotReadyAddresses } = (spec ?? {}) as { publishNotReadyAddresses?: boolean }
  const isNamed = all.some(
    (one) => one.kind === 'StatefulSet' && (one.spec as { serviceName?: string })?.serviceName === metadata.name,
  )
  return publishNotReadyAddresses === true || isNamed
}

const isSame = (one: Aim['selector'], other: Aim['selector']): boolean =>
  Object.keys(one).length === Object.keys(other).length &&
  Object.entries(one).every(([key, value]) => other[key] === value)

const targetOf = (one: Port) => one.targetPort ?? one.port
/** Where a Service sends what comes to each of its ports. Without an address it has no ports. */
function targets(service: KubeObject): Map<string, number | string> {
  const isHeadless = (service.spec as { clusterIP?: string } | undefined)?.clusterIP === 'None'
  const ports = isHeadless ? [] : portsOf(aimOf(service))
  return new Map(ports.map((one) => [`${one.port}/${one.protocol ?? 'TCP'}`, targetOf(one)]))
}
/** Do requests to a port that it has now go to another one of the pods, or nowhere? */
function changesPorts(own: KubeObject, live: KubeObject): boolean {
  const wanted = targets(own)
  return [...targets(live)].some(([port, target]) => wanted.get(port) !== target)
}
/** Is there a port of the old pods that the new ones need not have? */
function needsOldPods(own: KubeObject, live: KubeObject): boolean {
  const wanted = targets(own)
  return [...targets(live)].some(
    ([port, target]) => (wanted.get(port) ?? target) !== target || ![...wanted.values()].includes(target),
  )
}

/** The workloads whose pods a Service is to send to. */
export const podsBehind = (own: KubeObject, all: readonly KubeObject[]): KubeObject[] =>
  all.filter((one) => isWorkload(one) && one.kind !== 'Job' && selects(aimOf(own).selector, podLabelsOf(one)))

/** Could new pods of this Deployment not do in the place of the old ones behind the Service as it is now? */
export function conflicts(own: KubeObject, live: KubeObject, workload: KubeObject): boolean {
  const { [hashLabel]: _, ...selector } = aimOf(live).selector
  if (workload.kind !== 'Deployment') return false
  return needsOldPods(own, live) || !selects(selector, podLabelsOf(workload))
}

/** The Service with another aim. */
export const withAim = (own: KubeObject, { selector, ports }: Aim): KubeObject => ({
  ...own,
  spec: { ...(own.spec as object), selector, ports },
})

/** The Deployment that starts all new pods beside the old ones, and takes none of those away; undefined: it can't. */
export function held(deployment: KubeObject): KubeObject | undefined {
  const spec = deployment.spec as { strategy?: { type?: string }; paused?: boolean; replicas?: number }
  if (spec.strategy?.type === 'Recreate' || spec.paused || spec.replicas === 0) return undefined
  return {
    ...deployment,
    metadata: { ...deployment.metadata, annotations: { ...deployment.metadata.annotations, [keeps]: 'true' } },
    spec: {
      ...spec,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } },
      // A pod counts as available, and may take an old one's place, only after this time.
      minReadySeconds: keptSeconds,
      progressDeadlineSeconds: keptSeconds + 1,
    },
  }
}

export const isHeld = ({ metadata }: KubeObject): boolean => metadata.annotations?.[keeps] !== undefined
