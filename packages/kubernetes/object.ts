import { kindName, ownKind, type Typed } from '@taxiway/domain/cluster/kinds.ts'
import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'

/** An object of the cluster, as the plain JSON that goes over the wire: as it was rendered, with what the cluster adds. */
export interface KubeObject extends RenderedObject {
  metadata: RenderedObject['metadata'] & {
    uid?: string
    resourceVersion?: string
    generation?: number
    creationTimestamp?: string
    deletionTimestamp?: string
    finalizers?: string[]
    managedFields?: {
      manager?: string
      operation?: string
      subresource?: string
      time?: string
      apiVersion?: string
      fieldsV1?: object
    }[]
    ownerReferences?: { uid: string; kind: string; name: string; controller?: boolean }[]
  }
}

/** Where an object is: enough to read and to delete it. */
export interface ObjectRef {
  apiVersion: string
  kind: string
  name: string
}

/** What the cluster is told of a release: objects in order of application, as `stamped` makes them. */
export type ClusterRelease = Pick<
  ReleaseOrder,
  | 'repositoryId'
  | 'environment'
  | 'namespace'
  | 'runId'
  | 'generation'
  | 'objects'
  | 'digests'
  | 'preview'
  | 'pods'
  | 'restarts'
  | 'secrets'
  | 'adopt'
>

/** A probe, as far as its answers are put into words. */
export interface Probe {
  httpGet?: { path?: string; port?: number | string }
  tcpSocket?: { port?: number | string }
  exec?: { command?: string[] }
  timeoutSeconds?: number
}
export interface PodContainer {
  name: string
  /** Of init containers only. */
  restartPolicy?: string
  image?: string
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  readinessProbe?: Probe
  livenessProbe?: Probe
  startupProbe?: Probe
}
/** The fields of a pod that are read. */
export interface Pod extends KubeObject {
  spec: {
    containers: PodContainer[]
    initContainers?: PodContainer[]
    nodeSelector?: Record<string, string>
    volumes?: {
      name: string
      persistentVolumeClaim?: { claimName: string }
      configMap?: { name?: string; optional?: boolean }
    }[]
  }
  status?: {
    phase?: string
    reason?: string
    message?: string
    conditions?: { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[]
    containerStatuses?: ContainerStatus[]
    initContainerStatuses?: ContainerStatus[]
  }
}
interface Terminated {
  exitCode: number
  reason?: string
  message?: string
  signal?: number
  startedAt?: string
  finishedAt?: string
}
export interface ContainerStatus {
  name: string
  ready: boolean
  restartCount: number
  imageID?: string
  state?: { waiting?: { reason?: string; message?: string }; running?: object; terminated?: Terminated }
  lastState?: { terminated?: Terminated }
}

/** Kinds that run pods, and so can be unhealthy. */
export const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'] as const
export const isWorkload = (object: { kind: string }): boolean =>
  (workloadKinds as readonly string[]).includes(object.kind)
/** Is its health looked at? That of workloads, and of kinds that only a rule opens, which say it in their status. */
export const isJudged = (object: Typed): boolean => isWorkload(object) || !ownKind(object)

/** Labels and annotations by which our objects are known. */
export const keys = {
  managedBy: 'app.kubernetes.io/managed-by',
  repository: 'taxiway.dev/repository',
  environment: 'taxiway.dev/environment',
  run: 'taxiway.dev/run',
  sha: 'taxiway.dev/sha',
  generation: 'taxiway.dev/generation',
  job: 'taxiway.dev/job',
  /** Of a ConfigMap or Secret that is named by its content: its name in the manifest. */
  configOf: 'taxiway.dev/config-of',
} as const

/** Label of what stands beside a release while it takes over: `canary`, `green` or `check`. */
export const besideLabel = 'taxiway.dev/beside'
/** Label that a Deployment gives the pods of one template. */
export const hashLabel = 'pod-template-hash'

/** ConfigMaps named so hold an environment's inventory; manifests may not use such names. */
export const recordPrefix = 'taxiway-release-'

/** `Kind/name`, as people write it. */
export const describe = (object: KubeObject): string => `${kindName(object)}/${object.metadata.name}`
export const refOf = (object: KubeObject): ObjectRef => ({
  apiVersion: object.apiVersion,
  kind: object.kind,
  name: object.metadata.name,
})
/** Same object, whatever the API version. */
export const refKey = (ref: ObjectRef): string => `${kindName(ref)}/${ref.name}`

/**
 * URL path of a namespaced object, or of all of its kind without a name. The plural of a kind that is not ours is known by the
 * cluster only: the connection puts it in the place of `~Kind` (discovery.ts).
 */
export function pathOf(namespace: string, { apiVersion, kind, name }: Omit<ObjectRef, 'name'> & { name?: string }) {
  const version = apiVersion.split('/').map(encodeURIComponent).join('/')
  const root = apiVersion.includes('/') ? `/apis/${version}` : `/api/${version}`
  const plural = ownKind({ apiVersion, kind })?.plural ?? `~${encodeURIComponent(kind)}`
  const all = `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`
  return name === undefined ? all : `${all}/${encodeURIComponent(name)}`
}

/** URL path of a Secret that we make, or of all. */
export const secretPath = (namespace: string, name?: string): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets${name === undefined ? '' : `/${encodeURIComponent(name)}`}`

/** Labels of everything that belongs to an environment of a repository; pods of a release don't bear them. */
export const placeLabels = (release: Pick<ClusterRelease, 'repositoryId' | 'environment'>) => ({
  [keys.repository]: release.repositoryId,
  [keys.environment]: release.environment,
})
/** The selector of those. */
export const selectorOf = (release: Pick<ClusterRelease, 'repositoryId' | 'environment'>): string =>
  Object.entries(placeLabels(release))
    .map(([key, value]) => `${key}=${value}`)
    .join(',')

/** Does the live object belong to this environment of this repository? */
export const isOurs = (live: KubeObject, release: Pick<ClusterRelease, 'repositoryId' | 'environment'>): boolean =>
  live.metadata.labels?.[keys.repository] === release.repositoryId &&
  live.metadata.labels?.[keys.environment] === release.environment

/** The objects of a release as the cluster is given them: each says which run, commit and generation it is of. */
export const stamped = <R extends ReleaseOrder>(release: R): R => ({
  ...release,
  objects: release.objects.map((object) => ({
    ...object,
    metadata: { ...object.metadata, annotations: marked(object, release) },
  })),
})

const marked = ({ metadata }: RenderedObject, { runId, sha, generation }: ReleaseOrder): Record<string, string> => ({
  ...metadata.annotations,
  [keys.run]: runId,
  [keys.sha]: sha,
  [keys.generation]: String(generation),
})

/** The generation that a live object carries; 0 when it carries none. */
export const generationOf = (live: KubeObject): number => Number(live.metadata.annotations?.[keys.generation]) || 0

/** Is the live one newer, or of the same generation by another run? */
export const isNewer = (
  live: { generation: number; runId?: string | undefined },
  release: Pick<ClusterRelease, 'generation' | 'runId'>,
): boolean =>
  live.generation > release.generation ||
  (live.generation === release.generation && live.runId !== undefined && live.runId !== release.runId)

/** Kubernetes puts variables in the place of `$(NAME)`; here every text means itself. */
export const literal = (text: string): string => text.replaceAll('$', '$$$$')
