import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type Place, readInventory } from '../inventory.ts'
import { isOurs, type KubeObject, keys, pathOf } from '../object.ts'
import { asWritten } from './adopt.ts'

const withDigest = /"image":"([^"]+@sha256:[0-9a-f]{64})"/g

/**
 * The release that was applied last, made of what the cluster itself remembers: its inventory, and its objects as they stand.
 * Jobs have done their work. Undefined: nothing of it is there.
 */
export async function readStanding(
  cluster: Cluster,
  place: Place & Pick<ReleaseOrder, 'repositoryName'>,
  wait: Wait,
): Promise<Outcome<ReleaseOrder | undefined>> {
  const known = await readInventory(cluster, place, wait)
  if (!known.ok) return known
  const live: KubeObject[] = []
  for (const ref of known.value?.objects.filter(({ kind }) => kind !== 'Job') ?? []) {
    const answer = await cluster.call<KubeObject>({ method: 'GET', path: pathOf(place.namespace, ref) }, wait)
    if (!answer.ok) return answer
    if (answer.value.status === 200 && isOurs(answer.value.body, place)) live.push(answer.value.body)
  }
  if (!known.value || live.length === 0) return done(undefined)
  const objects = live.map(asWritten)
  const { generation, runId } = known.value
  const sha = live.map(({ metadata }) => metadata.annotations?.[keys.sha]).find((one) => one !== undefined) ?? ''
  const digests = [...JSON.stringify(objects).matchAll(withDigest)].map(([, image = '']) => image)
  return done({ ...place, generation, runId, sha, objects, digests: [...new Set(digests)] })
}
