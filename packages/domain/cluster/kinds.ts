/** A kind that every release may hold, unless a rule says otherwise. */
export interface OwnKind {
  group: string
  /** In paths and access rules. */
  plural: string
}

/**
 * The kinds that a release may hold without a rule, in the order in which they are applied: what others need comes first. The one
 * list that policy, paths and access rules (`taxiway cluster rbac`) are made from.
 */
export const ownKinds: Readonly<Record<string, OwnKind>> = {
  ServiceAccount: { group: '', plural: 'serviceaccounts' },
  ConfigMap: { group: '', plural: 'configmaps' },
  PersistentVolumeClaim: { group: '', plural: 'persistentvolumeclaims' },
  NetworkPolicy: { group: 'networking.k8s.io', plural: 'networkpolicies' },
  Service: { group: '', plural: 'services' },
  Job: { group: 'batch', plural: 'jobs' },
  StatefulSet: { group: 'apps', plural: 'statefulsets' },
  Deployment: { group: 'apps', plural: 'deployments' },
  DaemonSet: { group: 'apps', plural: 'daemonsets' },
  CronJob: { group: 'batch', plural: 'cronjobs' },
  Ingress: { group: 'networking.k8s.io', plural: 'ingresses' },
  HTTPRoute: { group: 'gateway.networking.k8s.io', plural: 'httproutes' },
  HorizontalPodAutoscaler: { group: 'autoscaling', plural: 'horizontalpodautoscalers' },
  PodDisruptionBudget: { group: 'policy', plural: 'poddisruptionbudgets' },
}

/** How rules name a kind: with its group, unless it is listed above or the core's own. */
export const kindPattern = '^[A-Z][A-Za-z0-9]{0,62}(\\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$'

/** What an object is, by the two fields that say so. */
export interface Typed {
  apiVersion: string
  kind: string
}

/** `apps` of `apps/v1`; empty for the core's own. */
export const groupOf = (apiVersion: string): string =>
  apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''

/** What is known of it without asking a cluster, if it is one of ours. */
export function ownKind({ apiVersion, kind }: Typed): OwnKind | undefined {
  const known = Object.hasOwn(ownKinds, kind) ? ownKinds[kind] : undefined
  return known?.group === groupOf(apiVersion) ? known : undefined
}

/** As rules and messages name it: `Deployment`, `Secret`, but `Certificate.cert-manager.io`. */
export function kindName({ apiVersion, kind }: Typed): string {
  const group = groupOf(apiVersion)
  return group === '' || ownKind({ apiVersion, kind }) ? kind : `${kind}.${group}`
}

/** The group and kind that `kindName` wrote. */
export function kindNamed(name: string): { group: string; kind: string } {
  const [kind = '', ...group] = name.split('.')
  const own = group.length === 0 && Object.hasOwn(ownKinds, kind) ? ownKinds[kind] : undefined
  return { kind, group: own?.group ?? group.join('.') }
}

/** Where a kind comes in the order of application: those that only a rule opens before what runs pods, as pods may need them. */
export function turnOf(object: Typed): number {
  const turns = Object.keys(ownKinds)
  return ownKind(object) ? turns.indexOf(object.kind) : turns.indexOf('Service') + 0.5
}

/** The cluster's own matters, all of them: who may what, what the API is, what judges objects, where volumes and nodes come from. */
const closedGroups = [
  'rbac.authorization.k8s.io',
  'authorization.k8s.io',
  'authentication.k8s.io',
  'certificates.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'storage.k8s.io',
  'scheduling.k8s.io',
  'node.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'metrics.k8s.io',
]
const closedKinds = ['Namespace', 'Node', 'PersistentVolume', 'ComponentStatus', 'Binding', 'Event', 'List']
/** What runs pods that nobody rolls out. */
const bareKinds: Readonly<Record<string, readonly string[]>> = {
  '': ['Pod', 'ReplicationController', 'PodTemplate'],
  apps: ['ReplicaSet', 'ControllerRevision'],
}

/**
 * Why no rule opens a kind, as the end of a sentence, or undefined. Cluster-wide kinds that are not built in are known by the
 * cluster only, and refused when it is asked.
 */
export function neverAllowed(name: string): string | undefined {
  const { group, kind } = kindNamed(name)
  if (bareKinds[group]?.includes(kind)) return 'pods are run by a Deployment, StatefulSet, DaemonSet, Job or CronJob'
  if (closedGroups.includes(group) || (group === '' && closedKinds.includes(kind)))
    return 'it is a matter of the whole cluster, or gives rights in it'
  return undefined
}

/** The plural of a kind that no cluster was asked for, as the API machinery guesses it (`UnsafeGuessKindToResource`). */
export function guessedPlural(kind: string): string {
  const word = kind.toLowerCase()
  if (word === 'endpoints') return word
  if (word.endsWith('s')) return `${word}es`
  return word.endsWith('y') ? `${word.slice(0, -1)}ies` : `${word}s`
}
