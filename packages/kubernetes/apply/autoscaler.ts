import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/connection.ts'
import { pathOf } from '../object.ts'

interface Autoscaler {
  spec?: { scaleTargetRef?: { kind?: string; name?: string } }
}

/** `Kind/name` of all in the namespace whose replicas an autoscaler decides. None when that may not be read. */
export async function autoscaledIn(cluster: Cluster, namespace: string, wait: Wait): Promise<Outcome<Set<string>>> {
  // This version is known to all clusters, whichever one the autoscaler was made by.
  const path = pathOf(namespace, { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' })
  const answer = await cluster.call<{ items?: Autoscaler[] }>({ method: 'GET', path, may403: true }, wait)
  if (!answer.ok) return answer
  const targets = (answer.value.body.items ?? []).flatMap(({ spec }) => spec?.scaleTargetRef ?? [])
  return done(new Set(targets.map(({ kind, name }) => `${kind}/${name}`)))
}
