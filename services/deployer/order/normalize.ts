import type { RenderedObject } from '@taxiway/domain/environment/release.ts'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const mapOf = (value: unknown): Json => (isObject(value) ? value : {})
const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** Annotations that controllers write and read for themselves: a manifest has them from an export. */
const ofControllers = [
  /^deployment\.kubernetes\.io\/(revision|revision-history|desired-replicas|max-replicas)$/,
  /^deprecated\.daemonset\.template\.generation$/,
  /^kubectl\.kubernetes\.io\/last-applied-configuration$/,
  /^autoscaling\.alpha\.kubernetes\.io\/(conditions|current-metrics)$/,
  /^batch\.kubernetes\.io\/job-tracking$/,
  /^control-plane\.alpha\.kubernetes\.io\/leader$/,
  /^endpoints\.kubernetes\.io\/last-change-trigger-time$/,
  /^pv\.kubernetes\.io\/(bind-completed|bound-by-controller)$/,
  /^volume\.(beta\.)?kubernetes\.io\/(storage-provisioner|selected-node)$/,
]
/** Labels by which a Job knows its own pods; made anew with it. */
const ofJobs = /^(batch\.kubernetes\.io\/)?(controller-uid|job-name)$/
/** What only an object that was in a cluster has. */
const exported = ['uid', 'resourceVersion', 'creationTimestamp', 'managedFields', 'selfLink']

/**
 * A manifest without what servers and controllers write into objects (as `kubectl get -o yaml` shows it), and with quantities
 * as text, which older servers want of a server-side apply. Changes the object it is given.
 */
export function normalize(object: RenderedObject): RenderedObject {
  const metadata: Json = object.metadata
  const isExport = exported.some((field) => metadata[field] !== undefined && metadata[field] !== null)
  withoutServerMetadata(metadata)
  delete object.status
  const spec = mapOf(object.spec)
  if (isExport) withoutChosen(object.kind, metadata, spec)
  const template = mapOf(spec.template)
  withoutServerMetadata(mapOf(template.metadata))
  // A CronJob's template is one more level down.
  const job = mapOf(spec.jobTemplate)
  withoutServerMetadata(mapOf(job.metadata))
  withoutServerMetadata(mapOf(mapOf(mapOf(job.spec).template).metadata))
  for (const pod of [template.spec, mapOf(mapOf(job.spec).template).spec]) podQuantities(mapOf(pod))
  for (const claim of listOf(spec.volumeClaimTemplates)) {
    withoutServerMetadata(mapOf(claim.metadata))
    delete claim.status
    resourceQuantities(mapOf(claim.spec).resources)
  }
  if (object.kind === 'PersistentVolumeClaim') resourceQuantities(spec.resources)
  if (object.kind === 'HorizontalPodAutoscaler') for (const metric of listOf(spec.metrics)) metricQuantities(metric)
  return object
}

function withoutServerMetadata(metadata: Json): void {
  for (const field of [...exported, 'generation', 'deletionTimestamp', 'deletionGracePeriodSeconds'])
    delete metadata[field]
  const annotations = mapOf(metadata.annotations)
  for (const key of Object.keys(annotations)) if (ofControllers.some((one) => one.test(key))) delete annotations[key]
}

/** What the server chose for the object that was exported: another one has another address, volume or owner. */
function withoutChosen(kind: string, metadata: Json, spec: Json): void {
  if (kind === 'Service' && spec.clusterIP !== 'None') {
    delete spec.clusterIP
    delete spec.clusterIPs
  }
  if (kind === 'Service' && spec.type !== 'NodePort') for (const port of listOf(spec.ports)) delete port.nodePort
  if (kind === 'Service') delete spec.healthCheckNodePort
  if (kind === 'PersistentVolumeClaim') delete spec.volumeName
  if (kind !== 'Job' || spec.manualSelector === true) return
  delete spec.selector
  for (const labels of [metadata.labels, mapOf(mapOf(spec.template).metadata).labels].map(mapOf))
    for (const key of Object.keys(labels)) if (ofJobs.test(key)) delete labels[key]
}

function podQuantities(pod: Json): void {
  asText(pod.overhead)
  for (const container of [pod.initContainers, pod.containers, pod.ephemeralContainers].flatMap(listOf)) {
    resourceQuantities(container.resources)
    for (const { valueFrom } of listOf(container.env)) asText(mapOf(valueFrom).resourceFieldRef, ['divisor'])
  }
  resourceQuantities(pod.resources)
  for (const volume of listOf(pod.volumes)) {
    asText(volume.emptyDir, ['sizeLimit'])
    resourceQuantities(mapOf(mapOf(mapOf(volume.ephemeral).volumeClaimTemplate).spec).resources)
    const files = [volume.downwardAPI, ...listOf(mapOf(volume.projected).sources).map((source) => source.downwardAPI)]
    for (const file of files.flatMap((one) => listOf(mapOf(one).items))) asText(file.resourceFieldRef, ['divisor'])
  }
}

function resourceQuantities(resources: unknown): void {
  for (const part of ['limits', 'requests']) asText(mapOf(resources)[part])
}

function metricQuantities(metric: Json): void {
  for (const source of Object.values(metric).filter(isObject)) {
    asText(source, ['targetAverageValue', 'targetValue', 'averageValue'])
    asText(source.target, ['value', 'averageValue'])
  }
}

/** Numbers in a map become text. */
function asText(map: unknown, keys: readonly string[] = Object.keys(mapOf(map))): void {
  const quantities = mapOf(map)
  for (const key of keys) if (typeof quantities[key] === 'number') quantities[key] = String(quantities[key])
}
