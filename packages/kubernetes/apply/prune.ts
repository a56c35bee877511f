import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Answer, Cluster, Wait } from '../cluster/call.ts'
import { configNamesIn } from '../config-names.ts'
import { readOwnedPods } from '../health/owned.ts'
import { deleteSecret, readInventory, secretsOf, stale, writeInventory } from '../inventory.ts'
import {
  type ClusterRelease,
  describe,
  generationOf,
  isNewer,
  isOurs,
  type KubeObject,
  keys,
  type ObjectRef,
  pathOf,
  refKey,
  refOf,
} from '../object.ts'

/** What may be removed. `careful`: all that is left over, but never most of what there is. A list: only these of it, and Jobs of that run. */
export type Pruning = { how: 'careful' | 'all' } | { only: readonly ObjectRef[]; runId: string }

/** So many at a time are no accident, however small the environment is. */
const alwaysAllowed = 3
const namesTold = 5
const dataKinds = ['PersistentVolumeClaim', 'PersistentVolume', 'Namespace']

/** Does the object hold data, or take data with it when it goes? */
export function holdsData(object: { kind: string; spec?: unknown }): boolean {
  const { persistentVolumeClaimRetentionPolicy: policy } = (object.spec ?? {}) as {
    persistentVolumeClaimRetentionPolicy?: { whenDeleted?: string }
  }
  return dataKinds.includes(object.kind) || policy?.whenDeleted === 'Delete'
}

/** Why it is never removed, though no release has it any more. https://helm.sh/docs/howto/charts_tips_and_tricks/#tell-helm-not-to-uninstall-a-resource */
function whyKept(object: KubeObject): string | undefined {
  if (holdsData(object)) return 'it holds data'
  const isKept = object.metadata.annotations?.['helm.sh/resource-policy'] === 'keep'
  return isKept ? 'helm.sh/resource-policy says keep' : undefined
}

/**
 * Deletes what the inventory names and the release has not, as far as it carries our labels and an older generation, holds
 * no data, and is not to be kept. `prune_held`: it would be too much, so nothing was removed.
 */
export async function prune(
  cluster: Cluster,
  release: ClusterRelease,
  pruning: Pruning,
  wait: Wait,
): Promise<Outcome<string[]>> {
  const known = await readInventory(cluster, release, wait)
  if (!known.ok) return known
  if (!known.value) return done([])
  if (isNewer(known.value, release)) return stale(release, known.value.generation)
  const wanted = new Set(release.objects.map((object) => refKey(refOf(object))))
  const others = known.value.objects.filter((ref) => !wanted.has(refKey(ref)))
  const found = await findLeftovers(cluster, release, others, wait)
  if (!found.ok) return found
  for (const object of found.value) {
    const why = whyKept(object)
    if (why) wait.say(`${describe(object)} is not in this release, and left: ${why}. Delete it by hand if it shall go`)
  }
  const only = 'only' in pruning ? new Set(pruning.only.map(refKey)) : undefined
  const isMeant = (object: KubeObject) =>
    !('only' in pruning) ||
    (only?.has(refKey(refOf(object))) === true &&
      (object.kind !== 'Job' || object.metadata.annotations?.[keys.run] === pruning.runId))
  const used = await usedVersions(cluster, release, found.value, wait)
  if (!used.ok) return used
  const removable = found.value.filter(
    (object) => !whyKept(object) && isMeant(object) && !used.value.has(describe(object)),
  )
  // Earlier contents of a ConfigMap are no objects that somebody could miss.
  const counted = removable.filter((object) => !isVersion(object))
  const all = wanted.size + counted.length
  if ('how' in pruning && pruning.how === 'careful' && counted.length > alwaysAllowed && counted.length > all / 2)
    return refuse('prune_held', { count: counted.length, all, names: someNames(counted) })
  const removed: string[] = []
  for (const object of removable) {
    const answer = await deleteObject(cluster, release.namespace, object, wait)
    if (!answer.ok) return answer
    if (answer.value.status < 300) removed.push(refKey(refOf(object)))
  }
  // Whoever removes things by hand means these things.
  const secrets =
    'how' in pruning ? await removeSecrets(cluster, release, known.value.secrets, wait) : done(known.value.secrets)
  if (!secrets.ok) return secrets
  const left = found.value.map(refOf).filter((ref) => !removed.includes(refKey(ref)))
  if (known.value.objects.length > wanted.size + left.length || known.value.secrets.length > secrets.value.length) {
    const written = await writeInventory(cluster, release, known.value, wait, left, secrets.value)
    if (!written.ok) return written
  }
  return done(removed)
}

/** Is it named by its content? */
const isVersion = ({ metadata }: KubeObject): boolean => metadata.annotations?.[keys.configOf] !== undefined

/** Which of these contents of ConfigMaps and Secrets pods still use, as `Kind/name`: some are not replaced with a release. */
async function usedVersions(
  cluster: Cluster,
  { namespace }: ClusterRelease,
  objects: readonly KubeObject[],
  wait: Wait,
): Promise<Outcome<Set<string>>> {
  if (!objects.some(isVersion)) return done(new Set())
  const pods = await readOwnedPods(cluster, { namespace, kinds: [] }, wait)
  if (!pods.ok) return pods
  const live = pods.value.all.filter(({ metadata }) => !metadata.deletionTimestamp)
  const named = new Set(live.flatMap(({ spec }) => [...configNamesIn(spec)]))
  return done(
    new Set(
      objects
        .filter(isVersion)
        .map(describe)
        .filter((name) => named.has(name)),
    ),
  )
}

/** Removes Secrets that earlier releases had. @returns those that are left */
async function removeSecrets(
  cluster: Cluster,
  release: ClusterRelease,
  known: readonly string[],
  wait: Wait,
): Promise<Outcome<string[]>> {
  const own = secretsOf(release)
  for (const name of known.filter((one) => !own.includes(one))) {
    const gone = await deleteSecret(cluster, release.namespace, name, wait)
    if (!gone.ok) return gone
  }
  return done(own)
}

function someNames(objects: readonly KubeObject[]): string {
  const names = objects.slice(0, namesTold).map(describe).join(', ')
  return objects.length > namesTold ? `${names} and ${objects.length - namesTold} more` : names
}

/** Those of the objects that are there, ours, and of an older release. */
async function findLeftovers(
  cluster: Cluster,
  release: ClusterRelease,
  refs: readonly ObjectRef[],
  wait: Wait,
): Promise<Outcome<KubeObject[]>> {
  const found: KubeObject[] = []
  for (const ref of refs) {
    const live = await cluster.call<KubeObject>({ method: 'GET', path: pathOf(release.namespace, ref) }, wait)
    if (!live.ok) return live
    const { status, body } = live.value
    if (status === 200 && isOurs(body, release) && generationOf(body) < release.generation) found.push(body)
  }
  return done(found)
}

/** Deletes exactly this object, not one made later under its name; its pods go after it. */
export function deleteObject(
  cluster: Cluster,
  namespace: string,
  object: KubeObject,
  wait: Wait,
): Promise<Outcome<Answer>> {
  const { uid, resourceVersion } = object.metadata
  const body = { propagationPolicy: 'Background', preconditions: { uid, resourceVersion } }
  return cluster.call({ method: 'DELETE', path: pathOf(namespace, refOf(object)), body }, wait)
}
