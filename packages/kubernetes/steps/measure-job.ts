import { pullSecret } from '@taxiway/domain/cluster/rights.ts'
import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { shellCommand } from '@taxiway/domain/shell.ts'
import { applyObject } from '../apply/apply.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import { watchRelease } from '../health/watch.ts'
import { type ClusterRelease, type KubeObject, keys, literal } from '../object.ts'
import { pullsWith } from '../pull.ts'
import { besideKeys } from './beside.ts'

type JobMeasure = Extract<Measure, { kind: 'job' }>

/** Runs the commands in a Job of the namespace; a name of its own for each time, since a Job can't be changed. */
export async function measureJob(
  cluster: Cluster,
  release: ClusterRelease,
  measure: JobMeasure,
  { id, addresses }: { id: string; addresses: readonly string[] },
  wait: Wait,
): Promise<Outcome<string | undefined>> {
  const job = checkJob(release, measure, { id, addresses })
  const applied = await applyObject(cluster, job, release, wait)
  if (!applied.ok) return applied
  const verdict = await watchRelease(cluster, { ...release, objects: [job] }, waitFor(measure.timeoutMs, wait))
  if (!verdict.ok) return verdict
  if (verdict.value.healthy) return done(undefined)
  return done(`its job failed: ${verdict.value.detail.replace(`${job.metadata.name}: `, '')}`)
}

/** The Job of a measure. Its variables may have been written by whoever pushed, and mean nothing to Kubernetes. */
export function checkJob(
  release: ClusterRelease,
  { image, run, shell = 'sh', env, timeoutMs }: JobMeasure,
  { id, addresses }: { id: string; addresses: readonly string[] },
): KubeObject {
  // Not the labels of any workload: no Service selects its pod.
  const labels = {
    [keys.managedBy]: 'taxiway',
    [keys.repository]: release.repositoryId,
    [keys.environment]: release.environment,
    [besideKeys.beside]: 'check',
  }
  const variables = { CI: 'true', TAXIWAY: 'true', ...env, TAXIWAY_PODS: addresses.join(' ') }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: `taxiway-check-g${release.generation}-${id}`,
      namespace: release.namespace,
      labels,
      annotations: { [keys.run]: release.runId, [keys.generation]: String(release.generation) },
    },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: Math.ceil(timeoutMs / 1000),
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          ...(pullsWith(release.objects) ? { imagePullSecrets: [{ name: pullSecret }] } : {}),
          containers: [
            {
              name: 'check',
              image,
              command: shellCommand(run, shell).map(literal),
              env: Object.entries(variables).map(([name, value]) => ({ name, value: literal(value) })),
              securityContext: { allowPrivilegeEscalation: false },
            },
          ],
        },
      },
    },
  }
}
