import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Status, type Wait } from '../cluster/call.ts'
import { stale } from '../inventory.ts'
import {
  type ClusterRelease,
  generationOf,
  isNewer,
  isOurs,
  type KubeObject,
  keys,
  type ObjectRef,
  pathOf,
  refKey,
} from '../object.ts'
import { autoscalersOf, readAutoscalers } from './autoscalers.ts'
import { fieldManager } from './ownership.ts'
import { plain } from './refusal.ts'

/** What people change between releases is theirs, not the release's: it has a name of its own among the field managers. */
const changeManager = `${fieldManager}-change`
const restartedAt = 'taxiway.dev/restarted-at'
const tries = 20

/** Gives a workload of the live release other replicas. `change_refused` when it has none, or an autoscaler decides. */
export async function scaleWorkload(
  cluster: Cluster,
  release: ClusterRelease,
  { ref, replicas }: { ref: ObjectRef; replicas: number },
  wait: Wait,
): Promise<Outcome<void>> {
  const workload = refKey(ref)
  if (ref.kind !== 'Deployment' && ref.kind !== 'StatefulSet')
    return refuse('change_refused', { workload, detail: `a ${ref.kind} has no replicas to choose` })
  const autoscalers = await readAutoscalers(cluster, release.namespace, wait)
  if (!autoscalers.ok) return autoscalers
  if (autoscalersOf(autoscalers.value).has(workload))
    return refuse('change_refused', { workload, detail: 'its autoscaler decides how many run; change that one' })
  return change(cluster, release, ref, { spec: { replicas } }, wait)
}

/** Makes the pods of a workload anew, by its own strategy. The same mark given again changes nothing. */
export const restartWorkload = (
  cluster: Cluster,
  release: ClusterRelease,
  { ref, mark }: { ref: ObjectRef; mark: string },
  wait: Wait,
): Promise<Outcome<void>> =>
  change(cluster, release, ref, { spec: { template: { metadata: { annotations: { [restartedAt]: mark } } } } }, wait)

/** Merges into an object, only as it was read and only while nothing newer than the release has it. */
async function change(
  cluster: Cluster,
  release: ClusterRelease,
  ref: ObjectRef,
  merge: object,
  wait: Wait,
): Promise<Outcome<void>> {
  const path = pathOf(release.namespace, ref)
  const refused = (detail: string) => refuse('change_refused', { workload: refKey(ref), detail })
  for (let tried = 0; tried < tries; tried++) {
    const read = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
    if (!read.ok) return read
    const live = read.value.body
    if (read.value.status === 404) return refused('it is not there any more')
    if (read.value.status !== 200) return refused(messageOf(live))
    if (!isOurs(live, release)) return refused('it does not belong to this environment any more')
    const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
    if (isNewer(held, release)) return stale(release, held.generation)
    const { resourceVersion, uid } = live.metadata
    const written = await cluster.call<Status>(
      {
        method: 'PATCH',
        path,
        query: { fieldManager: changeManager },
        body: { ...merge, metadata: { resourceVersion, uid } },
        contentType: 'application/merge-patch+json',
      },
      wait,
    )
    if (!written.ok) return written
    if (written.value.status === 200) return done(undefined)
    if (written.value.status !== 409) return refused(plain(messageOf(written.value.body)))
  }
  return refused('it changes faster than it can be changed')
}
