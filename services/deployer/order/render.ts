import type { ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { keys, kinds } from '@taxiway/kubernetes/object.ts'
import { normalize } from './normalize.ts'
import { fillInPod } from './pod-defaults.ts'

/** Everything of an order that does not come from the manifests, and the pipeline's images by name. */
export type RenderContext = Omit<ReleaseOrder, 'objects' | 'digests'> & {
  /** `{ web: 'registry/prefix/name@sha256:…' }` */
  references: Readonly<Record<string, string>>
}

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

/**
 * Objects (already checked by the policy) and digests make what is applied, in order of application. Pure; the objects
 * given are not changed. `image_unresolved` for an image that is neither the pipeline's nor pinned by digest.
 */
export function render(
  objects: readonly RenderedObject[],
  context: RenderContext,
): Outcome<Pick<ReleaseOrder, 'objects' | 'digests'>> {
  const used = new Set<string>()
  const rendered: RenderedObject[] = []
  for (const source of objects) {
    const object = normalize(structuredClone(source))
    const unresolved = putDigests(object, context.references, used)
    if (unresolved !== undefined)
      return refuse('image_unresolved', { object: `${object.kind}/${object.metadata.name}`, image: unresolved })
    rendered.push(mark(object, context))
  }
  const rank = Object.keys(kinds)
  rendered.sort((a, b) => rank.indexOf(a.kind) - rank.indexOf(b.kind))
  return done({ objects: stampObjects(rendered, context), digests: [...used] })
}

/** The same order under another generation; its pods stay as they are. */
export const stamp = (order: ReleaseOrder, generation: number): ReleaseOrder => ({
  ...order,
  generation,
  objects: stampObjects(order.objects, { ...order, generation }),
})

const stampObjects = (
  objects: RenderedObject[],
  { runId, sha, generation }: Pick<ReleaseOrder, 'runId' | 'sha' | 'generation'>,
): RenderedObject[] =>
  objects.map((object) => {
    const marks = { [keys.run]: runId, [keys.sha]: sha, [keys.generation]: String(generation) }
    const annotations = { ...object.metadata.annotations, ...marks }
    return { ...object, metadata: { ...object.metadata, annotations } }
  })

const templateOf = (object: RenderedObject): Json | undefined => {
  const template = isObject(object.spec) ? object.spec.template : undefined
  return isObject(template) ? template : undefined
}
const containersOf = (pod: Json): Json[] => [...listOf(pod.initContainers), ...listOf(pod.containers)]

/** @returns the first image that is neither the pipeline's nor pinned by digest */
function putDigests(
  object: RenderedObject,
  references: RenderContext['references'],
  used: Set<string>,
): string | undefined {
  const pod = templateOf(object)?.spec
  if (!isObject(pod)) return undefined
  for (const container of containersOf(pod)) {
    const image = String(container.image ?? '')
    const reference = Object.hasOwn(references, image) ? references[image] : undefined
    if (reference) {
      container.image = reference
      used.add(reference)
    } else if (!/@sha256:[0-9a-f]{64}$/.test(image)) return image || '(none)'
  }
  return undefined
}

/**
 * Namespace, labels, and the defaults that older clusters don't fill in for server-side apply. Nothing of the run or the
 * place stands in a pod's template: what has not changed is not rolled.
 */
function mark(object: RenderedObject, context: RenderContext): RenderedObject {
  const labels = {
    [keys.managedBy]: 'taxiway',
    [keys.repository]: context.repositoryId,
    [keys.environment]: context.environment,
  }
  const { name, labels: given, annotations } = object.metadata
  object.metadata = {
    name,
    namespace: context.namespace,
    labels: { ...given, ...labels },
    ...(annotations ? { annotations } : {}),
  }
  const spec = isObject(object.spec) ? object.spec : {}
  if (object.kind === 'Service') withProtocol(spec.ports)
  const template = templateOf(object)
  if (!template) return object
  if (isObject(template.spec)) {
    fillInPod(template.spec)
    for (const container of containersOf(template.spec)) withProtocol(container.ports)
  }
  return object
}

function withProtocol(ports: unknown): void {
  for (const port of listOf(ports)) port.protocol ??= 'TCP'
}
