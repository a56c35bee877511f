import { createHash } from 'node:crypto'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Answer, type Cluster, messageOf, type Wait } from './cluster/call.ts'
import {
  type ClusterRelease,
  isNewer,
  type KubeObject,
  keys,
  type ObjectRef,
  pathOf,
  recordPrefix,
  refKey,
  refOf,
  secretPath,
} from './object.ts'

const claimTries = 20

/** Which environment of which repository. */
export type Place = Pick<ClusterRelease, 'repositoryId' | 'environment' | 'namespace'>

/** What the cluster itself remembers of an environment: which release was applied last, and every object it may have. */
export interface Inventory {
  generation: number
  runId: string
  objects: ObjectRef[]
  /** Names of Secrets that it may have. */
  secrets: string[]
  resourceVersion: string
}

const recordName = ({ repositoryId, environment }: Place): string =>
  `${recordPrefix}${environment}-${createHash('sha256').update(`${repositoryId}/${environment}`).digest('hex').slice(0, 10)}`
const recordPath = (place: Place, name?: string) =>
  pathOf(place.namespace, { apiVersion: 'v1', kind: 'ConfigMap', ...(name ? { name } : {}) })

/** Reads the inventory, kept in a ConfigMap of the namespace. */
export async function readInventory(
  cluster: Cluster,
  place: Place,
  wait: Wait,
): Promise<Outcome<Inventory | undefined>> {
  const answer = await cluster.call<KubeObject & { data?: Record<string, string> }>(
    { method: 'GET', path: recordPath(place, recordName(place)) },
    wait,
  )
  if (!answer.ok) return answer
  if (answer.value.status === 404) return done(undefined)
  if (answer.value.status !== 200) throw unexpected('read the inventory', answer.value)
  const { data, metadata } = answer.value.body
  return done({
    generation: Number(data?.generation) || 0,
    runId: data?.run ?? '',
    objects: JSON.parse(data?.objects ?? '[]'),
    secrets: JSON.parse(data?.secrets ?? '[]'),
    resourceVersion: metadata.resourceVersion ?? '',
  })
}

/**
 * Takes the environment for this release, before any object is touched: a compare-and-set, after which older releases are
 * stale. Until `prune`, the inventory names the objects of the earlier releases as well.
 */
export async function claim(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  for (let tries = 0; tries < claimTries; tries++) {
    const known = await readInventory(cluster, release, wait)
    if (!known.ok) return known
    if (known.value && isNewer(known.value, release)) return stale(release, known.value.generation)
    const written = await writeInventory(cluster, release, known.value, wait)
    if (!written.ok || written.value) return written.ok ? done(undefined) : written
  }
  throw new Error(`the inventory of ${release.namespace} changes faster than it can be claimed`)
}

/** Names of the Secrets of a release. */
export const secretsOf = ({ secrets = [] }: ClusterRelease): string[] => secrets.map(({ name }) => name)

/**
 * Writes down the release with its objects and Secrets, and those of `earlier` releases that are not removed yet.
 * @returns false when somebody else wrote in between
 */
export async function writeInventory(
  cluster: Cluster,
  release: ClusterRelease,
  known: Inventory | undefined,
  wait: Wait,
  earlier: readonly ObjectRef[] = known?.objects ?? [],
  earlierSecrets: readonly string[] = known?.secrets ?? [],
): Promise<Outcome<boolean>> {
  const refs = new Map([...earlier, ...release.objects.map(refOf)].map((ref) => [refKey(ref), ref]))
  const secrets = new Set([...earlierSecrets, ...secretsOf(release)])
  const name = recordName(release)
  const body = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name,
      namespace: release.namespace,
      labels: {
        [keys.managedBy]: 'taxiway',
        [keys.repository]: release.repositoryId,
        [keys.environment]: release.environment,
      },
      ...(known ? { resourceVersion: known.resourceVersion } : {}),
    },
    data: {
      generation: String(release.generation),
      run: release.runId,
      objects: JSON.stringify([...refs.values()]),
      ...(secrets.size > 0 ? { secrets: JSON.stringify([...secrets]) } : {}),
    },
  }
  const answer = await cluster.call(
    known
      ? { method: 'PUT', path: recordPath(release, name), body }
      : { method: 'POST', path: recordPath(release), body },
    wait,
  )
  if (!answer.ok) return answer
  if (answer.value.status === 200 || answer.value.status === 201) return done(true)
  if (answer.value.status === 409 || (answer.value.status === 404 && known)) return done(false)
  throw unexpected('write the inventory', answer.value)
}

/** Is this release still the newest? Asked between claim and end. */
export async function stillOurs(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const known = await readInventory(cluster, release, wait)
  if (!known.ok) return known
  return known.value && isNewer(known.value, release) ? stale(release, known.value.generation) : done(undefined)
}

/** Removes a Secret of ours by its name, which no other release has. Gone is success. */
export const deleteSecret = (cluster: Cluster, namespace: string, name: string, wait: Wait): Promise<Outcome<Answer>> =>
  cluster.call({ method: 'DELETE', path: secretPath(namespace, name) }, wait)

/** Forgets what the cluster remembers of an environment. Gone is success. */
export async function deleteInventory(cluster: Cluster, place: Place, wait: Wait): Promise<Outcome<void>> {
  const answer = await cluster.call({ method: 'DELETE', path: recordPath(place, recordName(place)) }, wait)
  if (!answer.ok) return answer
  if (answer.value.status === 404 || answer.value.status < 300) return done(undefined)
  throw unexpected('forget the inventory', answer.value)
}

/** The refusal of an older release. */
export const stale = (release: Pick<ClusterRelease, 'generation'>, live: number) =>
  refuse('stale_generation', { generation: release.generation, live })

const unexpected = (what: string, answer: Answer) =>
  new Error(`could not ${what}: ${answer.status} ${messageOf(answer.body)}`)
