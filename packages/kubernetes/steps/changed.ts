import { isDeepStrictEqual } from 'node:util'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { patch } from '../apply/apply.ts'
import { readDeployment } from '../apply/replicas.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import type { ClusterRelease, KubeObject } from '../object.ts'
import type { Pair } from './pairs.ts'

/**
 * Those of the Deployments that get other pods by this release, as the server says (apply with dryRun=All). The others have no new
 * version that could stand beside, and keep their pods. What has begun to stand beside goes on.
 */
export async function changedPairs(
  cluster: Cluster,
  release: ClusterRelease,
  pairs: readonly Pair[],
  wait: Wait,
): Promise<Outcome<Pair[]>> {
  const changed: Pair[] = []
  for (const pair of pairs) {
    const live =
      pair.before > 0 && pair.fresh === 0 ? await readDeployment(cluster, release, pair.name, wait) : done(undefined)
    if (!live.ok) return live
    const same = live.value ? await keepsPods(cluster, release, pair.wanted, live.value, wait) : done(false)
    if (!same.ok) return same
    if (same.value) wait.say(`Deployment/${pair.name} keeps its pods: nothing of them changes`)
    else changed.push(pair)
  }
  return done(changed)
}

async function keepsPods(
  cluster: Cluster,
  release: ClusterRelease,
  wanted: KubeObject,
  live: KubeObject,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const answer = await patch(cluster, wanted, { force: true, dryRun: true }, release, wait)
  if (!answer.ok) return answer
  const templateOf = (object: object) => (object as { spec?: { template?: object } }).spec?.template
  return done(answer.value.status < 300 && isDeepStrictEqual(templateOf(answer.value.body), templateOf(live)))
}
