import { ownKind } from '@taxiway/domain/cluster/kinds.ts'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'

type Json = Record<string, unknown>
/** What pods are made from: metadata and spec of a pod. */
export interface PodTemplate extends Json {
  metadata?: Json
}
/** Is it a map? */
export const isMap = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
/** Deeper than any manifest that is read. */
const depthLimit = 100

/** The pod templates in an object: one in a workload, none in most others; in a kind that is not ours all that look like one. */
export function podTemplatesOf(object: RenderedObject): PodTemplate[] {
  const { metadata: _, ...rest } = object
  if (!ownKind(object)) return templatesIn(rest, depthLimit)
  const spec = isMap(object.spec) ? object.spec : {}
  const of = object.kind === 'CronJob' ? jobSpecOf(spec) : spec
  const isRunner = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob'].includes(object.kind)
  return isRunner && isMap(of.template) ? [of.template] : []
}

const jobSpecOf = ({ jobTemplate }: Json): Json =>
  isMap(jobTemplate) && isMap(jobTemplate.spec) ? jobTemplate.spec : {}

/** Whatever holds containers is a pod's spec, and what holds that as `spec`, its template. */
function templatesIn(value: unknown, depth: number): PodTemplate[] {
  if (Array.isArray(value)) return value.flatMap((one) => templatesIn(one, depth - 1))
  if (!isMap(value) || depth === 0) return []
  return Object.entries(value).flatMap(([key, inner]): PodTemplate[] => {
    if (!isPod(inner)) return templatesIn(inner, depth - 1)
    return [key === 'spec' ? value : { spec: inner }]
  })
}
const isPod = (value: unknown): value is Json =>
  isMap(value) && (Array.isArray(value.containers) || Array.isArray(value.initContainers))

/** Its containers, those first that run before the others. */
export function containersOf({ spec }: PodTemplate): Json[] {
  const pod = isMap(spec) ? spec : {}
  return [pod.initContainers, pod.containers].flatMap((list) => (Array.isArray(list) ? list.filter(isMap) : []))
}
