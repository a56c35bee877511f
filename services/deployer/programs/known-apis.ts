import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Manifest, titleOf } from './manifest.ts'

type Json = Record<string, unknown>

/** Versions of a kind whose objects are written alike: any may stand in the place of another. Newest first. */
const alike: Readonly<Record<string, readonly string[]>> = {
  CronJob: ['batch/v1', 'batch/v1beta1'],
  HorizontalPodAutoscaler: ['autoscaling/v2', 'autoscaling/v2beta2'],
  PodDisruptionBudget: ['policy/v1', 'policy/v1beta1'],
}

/**
 * What a chart made, in the API versions that the cluster has. Helm tells charts of those that it was built with, whatever the cluster is
 * asked (https://github.com/helm/helm/issues/10760), so a chart may have chosen another. Where one of them means the same, it is taken,
 * and told; else that is refused for all objects at once.
 */
export function inKnownVersions(
  manifests: readonly Manifest[],
  { knows, chart, say }: { knows: (kind: string) => boolean; chart: string; say: (line: string) => void },
): Outcome<Manifest[]> {
  const unknown: string[] = []
  const known = manifests.map((manifest) => {
    const { apiVersion, kind } = Object(manifest.value)
    if (typeof apiVersion !== 'string' || typeof kind !== 'string') return manifest
    if (knows(`${apiVersion}/${kind}`) || kind.endsWith('List')) return manifest
    const other =
      alike[kind]?.includes(apiVersion) &&
      isAlike(manifest.value) &&
      alike[kind]?.find((one) => knows(`${one}/${kind}`))
    if (!other) unknown.push(`${titleOf(manifest)} in ${manifest.file} (${apiVersion})`)
    else say(`${titleOf(manifest)}: the chart asked for ${apiVersion}, this cluster has ${other}`)
    return other ? { ...manifest, value: { ...(manifest.value as Json), apiVersion: other } } : manifest
  })
  if (unknown.length === 0) return done(known)
  const detail = `it asks for kinds that this cluster does not have: ${unknown.join(', ')}. Helm tells charts of versions that it knows itself; look for a value of the chart that chooses another, or that leaves them out`
  return refuse('manifest_invalid', { object: chart, detail })
}

/** An empty selector of a budget chooses all pods in v1, and none before. */
const isAlike = (value: unknown): boolean => {
  const { kind, spec } = Object(value)
  return kind !== 'PodDisruptionBudget' || Object.keys(Object(Object(spec).selector)).length > 0
}
